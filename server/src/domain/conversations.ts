import { create, fromBinary } from "@bufbuild/protobuf";
import { ChatMessageSchema } from "@parley/proto/parley/v1/chat_message_pb.js";
import { type Conversation, ConversationSchema } from "@parley/proto/parley/v1/conversation_pb.js";
import { type Peer, PeerSchema } from "@parley/proto/parley/v1/peer_pb.js";
import { listConversations as listRows, listUnreadConversations } from "../store/conversations.js";
import { readLogState } from "../store/log.js";
import { countUnread, listGoneSenders, listMessages } from "../store/messages.js";
import type { Db } from "../store/schema.js";
import { snapshot } from "../store/snapshot.js";
import type { UserCaller } from "./caller.js";
import type { Ctx } from "./context.js";
import { directConversation, groupConversation, peerOf, systemConversation } from "./conversation-id.js";
import { DomainError, ErrorReason, invalidField } from "./errors.js";
import { cursorAt } from "./list-events.js";
import { nextTurn } from "./next-turn.js";
import { nextPage, pageLimit, readPageToken } from "./page.js";
import { viewOf } from "./visibility.js";

/** The conversation that a peer names for a user. */
export function conversationOf(userId: string, peer: Peer | undefined): string {
  switch (peer?.peer.case) {
    case "userId":
      return directConversation(userId, peer.peer.value);
    case "groupId":
      return groupConversation(peer.peer.value);
    case "system":
      return systemConversation(userId);
    case "roomId":
      throw new DomainError(ErrorReason.UNSUPPORTED, "rooms keep nothing", { field: "peer.room_id" });
    default:
      throw invalidField("peer", "the peer must be a user, a group or system");
  }
}

interface Row {
  conversation_id: string;
  head_seq: number;
  floor_seq: number;
  read_seq: number;
  unlisted_pos: number;
}

/** Whose conversations they are. */
type Reader = Pick<UserCaller, "appId" | "userId">;

/** A page of the caller's conversations, newest first, with the cursor it is exact at; see ConversationService.ListConversations. */
export async function listConversations(ctx: Ctx, caller: UserCaller, pageSize: number, token: string) {
  const limit = pageLimit(ctx, pageSize);
  const [before = Number.MAX_SAFE_INTEGER] = (readPageToken(token, ["number"]) as [number] | undefined) ?? [];
  // One snapshot for all of it, so that the cursor is exact.
  return await counting(ctx, async (db, lane) => {
    const unread = await listUnreadConversations(db, caller.appId, caller.userId);
    if (lane.isTooLong(unread)) return undefined;
    const state = await readLogState(db, caller.appId);
    const rows = await listRows(db, caller.appId, caller.userId, before, limit + 1);
    const { items, nextPageToken } = nextPage(rows, limit, (row) => [row.last_pos]);
    const conversations: Conversation[] = [];
    for (const row of items) conversations.push(await conversationView(db, caller, row, lane));
    return {
      conversations,
      nextPageToken,
      cursor: cursorAt(caller.appId, state, state.head),
      unreadTotal: await sumUnread(db, caller, unread, lane),
    };
  });
}

/** The number of unread messages over all conversations of a user. */
export async function countAllUnread(ctx: Ctx, reader: Reader): Promise<number> {
  return await counting(ctx, async (db, lane) => {
    const unread = await listUnreadConversations(db, reader.appId, reader.userId);
    return lane.isTooLong(unread) ? undefined : await sumUnread(db, reader, unread, lane);
  });
}

async function sumUnread(db: Db, reader: Reader, rows: readonly Row[], lane: Lane): Promise<number> {
  let total = 0;
  for (const row of rows) total += await unreadOf(db, reader, row, lane);
  return total;
}

/** One conversation as the caller sees it; an empty one when nothing was said yet. */
export async function getConversation(ctx: Ctx, caller: UserCaller, peer: Peer | undefined): Promise<Conversation> {
  const conversationId = conversationOf(caller.userId, peer);
  return await counting(ctx, async (db, lane) => {
    const { own, conversation } = await viewOf(db, caller.appId, caller.userId, conversationId);
    const { read_seq, unlisted_pos } = own ?? { read_seq: 0, unlisted_pos: 0 };
    const { head_seq, floor_seq } = conversation ?? { head_seq: 0, floor_seq: 0 };
    const row = { conversation_id: conversationId, head_seq, floor_seq, read_seq, unlisted_pos };
    return lane.isTooLong([row]) ? undefined : await conversationView(db, caller, row, lane);
  });
}

/** The number of messages that a user has not read, over all its conversations. */
export async function countUnreadTotal(
  ctx: Pick<Ctx, "read" | "longRead">,
  caller: Pick<UserCaller, "appId" | "userId">,
): Promise<number> {
  return await counting(ctx, async (db, lane) => {
    const unread = await listUnreadConversations(db, caller.appId, caller.userId);
    if (lane.isTooLong(unread)) return undefined;
    let total = 0;
    for (const row of unread) total += await unreadOf(db, caller, row, lane);
    return total;
  });
}

async function conversationView(db: Db, caller: UserCaller, row: Row, lane: Lane): Promise<Conversation> {
  const { afterPos } = await viewOf(db, caller.appId, caller.userId, row.conversation_id);
  const range = { afterSeq: row.floor_seq, beforeSeq: undefined, beforeMs: undefined, afterPos };
  const [newest] = await listMessages(db, caller.appId, row.conversation_id, range, "newest", 1);
  const view = create(ConversationSchema, {
    conversationId: row.conversation_id,
    peer: wirePeer(row.conversation_id, caller.userId),
    headSeq: row.head_seq,
    readSeq: row.read_seq,
    unreadCount: await unreadOf(db, caller, row, lane),
  });
  if (newest !== undefined) view.lastMessage = fromBinary(ChatMessageSchema, newest.payload);
  return view;
}

/** The exact number of unread messages up to the row's head, counted from what is stored. */
export async function unreadOf(
  db: Db,
  caller: Pick<UserCaller, "appId" | "userId">,
  row: Row,
  lane: Lane,
): Promise<number> {
  if (row.read_seq >= row.head_seq) return 0;
  const view = await viewOf(db, caller.appId, caller.userId, row.conversation_id);
  // What stood in it when it was taken off the list counts no longer.
  const afterPos = Math.max(view.afterPos, row.unlisted_pos);
  const gone = await listGoneSenders(db, caller.appId);
  let count = 0;
  for (let afterSeq = Math.max(row.read_seq, row.floor_seq); afterSeq < row.head_seq; afterSeq += COUNT_STEP) {
    const range = { afterSeq, toSeq: Math.min(row.head_seq, afterSeq + COUNT_STEP), afterPos, gone };
    count += await countUnread(db, caller.appId, row.conversation_id, caller.userId, range);
    await lane.rest();
  }
  return count;
}

const COUNT_STEP = 2_000;

/** Where a count runs: among all other reads, where it must be short, or apart, where it lets others run between its steps. */
interface Lane {
  isTooLong(rows: readonly Row[]): boolean;
  rest(): Promise<void>;
}

const SHORT: Lane = {
  isTooLong: (rows) =>
    rows.reduce((sum, row) => sum + row.head_seq - Math.max(row.read_seq, row.floor_seq), 0) > COUNT_STEP,
  rest: async () => undefined,
};
const LONG: Lane = { isTooLong: () => false, rest: nextTurn };

/** Runs reads that count unread messages in one snapshot. What is too long for its lane gives undefined, and is run again apart. */
export async function counting<T>(
  ctx: Pick<Ctx, "read" | "longRead">,
  work: (db: Db, lane: Lane) => Promise<T | undefined>,
): Promise<T> {
  const short = await snapshot(ctx.read, (db) => work(db, SHORT));
  if (short !== undefined) return short;
  return (await snapshot(ctx.longRead, (db) => work(db, LONG))) as T;
}

/** The other side of a conversation as a reader addresses it. */
export function wirePeer(conversationId: string, readerId: string): Peer {
  const peer = peerOf(conversationId, readerId);
  if (peer.kind === "group") return create(PeerSchema, { peer: { case: "groupId", value: peer.groupId } });
  if (peer.kind === "user") return create(PeerSchema, { peer: { case: "userId", value: peer.userId } });
  return create(PeerSchema, { peer: { case: "system", value: {} } });
}
