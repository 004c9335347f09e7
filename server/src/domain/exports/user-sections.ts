import { fromBinary, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { ChatMessageSchema } from "@parley/proto/parley/v1/chat_message_pb.js";
import type { UserExportItemSchema } from "@parley/proto/parley/v1/user_export_pb.js";
import { idOf, isGroupPlace } from "../../store/audience.js";
import { findBeside } from "../../store/conversations.js";
import {
  findConversationAfter,
  findOtherGroupAfter,
  listCredentials,
  listMemberships,
  listMessagesOf,
} from "../../store/exports.js";
import { listFriends } from "../../store/friends.js";
import { listMessages } from "../../store/messages.js";
import type { Db } from "../../store/schema.js";
import { listSessions } from "../../store/sessions.js";
import { findUser } from "../../store/users.js";
import type { Ctx } from "../context.js";
import { wirePeer } from "../conversations.js";
import { notFound } from "../errors.js";
import { sessionOf } from "../login/list-sessions.js";
import { userOf } from "../user.js";
import { viewOf } from "../visibility.js";
import { STEP_MESSAGES } from "./export-history.js";

export type ExportItem = NonNullable<MessageInitShape<typeof UserExportItemSchema>["item"]>;

/** A place in a section: just after the thing of this key, or after this seq of the conversation of this key. */
export interface SectionPlace {
  key: string;
  seq: number;
}

/** What is read at once: some items, each with the place after it, and the place to go on from, unless the section is over. */
interface SectionStep {
  items: { item: ExportItem; after: SectionPlace }[];
  next: SectionPlace | undefined;
}

/** Whose data are told, as of which position. */
interface ExportOf {
  appId: string;
  userId: string;
  upToPos: number;
}

type Section = (ctx: Ctx, db: Db, of: ExportOf, at: SectionPlace) => Promise<SectionStep>;

const STEP_ITEMS = 100;
const after = (key: string, seq = 0): SectionPlace => ({ key, seq });

function step(items: SectionStep["items"], goesOn: boolean): SectionStep {
  return { items, next: goesOn ? items.at(-1)?.after : undefined };
}

/** What stands behind a place in a list that is read as one. */
function rest<T>(rows: readonly T[], keyOf: (row: T) => string, at: SectionPlace): T[] {
  return rows.slice(rows.findIndex((row) => keyOf(row) === at.key) + 1);
}

/** The parts of a user's data in the order in which an export tells them. */
export const SECTIONS: Readonly<Record<string, Section>> = {
  async user(_ctx, db, { appId, userId }, at) {
    const user = await findUser(db, appId, userId);
    if (user === undefined) throw notFound("user", "user_id");
    return step(
      rest([user], (row) => row.user_id, at).map((row) => ({
        item: { case: "user", value: userOf(row) },
        after: after(row.user_id),
      })),
      false,
    );
  },

  async credentials(_ctx, db, { appId, userId }, at) {
    const rows = await listCredentials(db, appId, userId);
    const keyOf = ({ kind, name }: { kind: string; name: string }) => `${kind} ${name}`;
    return step(
      rest(rows, keyOf, at).map((value) => ({ item: { case: "credential", value }, after: after(keyOf(value)) })),
      false,
    );
  },

  async sessions(ctx, db, { appId, userId }, at) {
    const rows = await listSessions(db, appId, userId, undefined, ctx.limits.sessionsPerUser);
    return step(
      rest(rows, (row) => row.session_id, at).map((row) => ({
        item: { case: "session", value: sessionOf(ctx, row) },
        after: after(row.session_id),
      })),
      false,
    );
  },

  async friends(_ctx, db, { appId, userId }, at) {
    const rows = await listFriends(db, appId, userId, at.key, STEP_ITEMS);
    const items = rows.map(({ friend_id, create_ms }) => ({
      item: { case: "friend" as const, value: { userId: friend_id, createTime: timestampFromMs(create_ms) } },
      after: after(friend_id),
    }));
    return step(items, rows.length === STEP_ITEMS);
  },

  async places(_ctx, db, { appId, userId }, at) {
    const rows = await listMemberships(db, appId, userId, at.key, STEP_ITEMS);
    const items = rows.map(({ place, name, role, alias, join_ms }) => {
      const group = isGroupPlace(place);
      const value = {
        place: group
          ? ({ case: "groupId", value: idOf(place) } as const)
          : ({ case: "roomId", value: idOf(place) } as const),
        name,
        alias,
        joinTime: timestampFromMs(join_ms),
        ...(group && { role }),
      };
      return { item: { case: "membership" as const, value }, after: after(place) };
    });
    return step(items, rows.length === STEP_ITEMS);
  },

  async conversations(_ctx, db, of, at) {
    const { appId, userId } = of;
    const items = at.key === "" ? [] : await messagesOf(db, of, at);
    if (items.length === STEP_MESSAGES) return step(items, true);
    const row = await findConversationAfter(db, appId, userId, at.key);
    if (row === undefined) return step(items, false);
    const { conversation_id: conversationId, read_seq: readSeq } = row;
    const value = { conversationId, peer: wirePeer(conversationId, userId), readSeq };
    items.push({ item: { case: "conversation", value }, after: after(conversationId) });
    return step(items, true);
  },

  /** The user's own words in groups that it has left. */
  async left(_ctx, db, { appId, userId, upToPos }, at) {
    const range = { afterSeq: at.seq, upToPos };
    const found =
      at.key === ""
        ? { rows: [], upToSeq: undefined }
        : await listMessagesOf(db, appId, at.key, userId, range, STEP_MESSAGES);
    const items = found.rows.map((row) => messageItem(at.key, row));
    if (found.upToSeq !== undefined) return { items, next: after(at.key, found.upToSeq) };
    const other = await findOtherGroupAfter(db, appId, userId, at.key);
    return { items, next: other && after(other.conversation_id, other.floor_seq) };
  },
};

async function messagesOf(db: Db, { appId, userId, upToPos }: ExportOf, at: SectionPlace) {
  // The user may have left a group since the export was cut in it.
  if ((await findBeside(db, appId, userId, at.key))?.own === undefined) return [];
  const { afterPos, conversation } = await viewOf(db, appId, userId, at.key);
  const floorSeq = conversation?.floor_seq ?? 0;
  const range = { afterSeq: Math.max(at.seq, floorSeq), afterPos, upToPos };
  const rows = await listMessages(db, appId, at.key, range, "oldest", STEP_MESSAGES);
  return rows.map((row) => messageItem(at.key, row));
}

function messageItem(
  conversationId: string,
  { seq, payload }: { seq: number; payload: Uint8Array },
): SectionStep["items"][number] {
  return {
    item: { case: "message", value: fromBinary(ChatMessageSchema, payload) },
    after: after(conversationId, seq),
  };
}
