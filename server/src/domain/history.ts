import type { Timestamp } from "@bufbuild/protobuf/wkt";
import type { ListMessagesRequest } from "@parley/proto/parley/v1/history_service_pb.js";
import {
  findMessage,
  findOldestSeq,
  findSeqSince,
  listMessages as listRows,
  type MessageRange,
} from "../store/messages.js";
import { snapshot } from "../store/snapshot.js";
import type { UserCaller } from "./caller.js";
import type { Ctx } from "./context.js";
import { conversationOf } from "./conversations.js";
import { notFound } from "./errors.js";
import { pageLimit, pageToken, readPageToken } from "./page.js";
import { mayRead, viewOf } from "./visibility.js";

interface Page {
  rows: { seq: number; payload: Uint8Array }[];
  nextPageToken: string;
}

/** A page of one conversation's messages, rising in seq, each as it is stored; see HistoryService.ListMessages. */
export async function listMessages(ctx: Ctx, caller: UserCaller, request: ListMessagesRequest) {
  const conversationId = conversationOf(caller.userId, request.peer);
  const limit = pageLimit(ctx, request.pageSize);
  return await snapshot(ctx.read, async (db) => {
    const { afterPos, conversation } = await viewOf(db, caller.appId, caller.userId, conversationId);
    const whole: MessageRange = { afterSeq: conversation?.floor_seq ?? 0, afterPos };
    const list = (change: Partial<MessageRange>, end: "newest" | "oldest", most: number) =>
      listRows(db, caller.appId, conversationId, { ...whole, ...change }, end, most);
    const span = { floorSeq: whole.afterSeq, headSeq: conversation?.head_seq ?? 0 };
    const seqSince = (ms: number) => findSeqSince(db, caller.appId, conversationId, { ...span, ms });
    const page = await readPage(request, limit, whole.afterSeq, list, seqSince);
    return {
      payloads: page.rows.map((row) => row.payload),
      nextPageToken: page.nextPageToken,
      oldestAvailableSeq: (await findOldestSeq(db, caller.appId, conversationId, whole)) ?? 0,
      headSeq: conversation?.head_seq ?? 0,
    };
  });
}

type List = (change: Partial<MessageRange>, end: "newest" | "oldest", most: number) => Promise<Page["rows"]>;

async function readPage(
  request: ListMessagesRequest,
  limit: number,
  floorSeq: number,
  list: List,
  seqSince: (ms: number) => Promise<number>,
): Promise<Page> {
  const older = async (change: Partial<MessageRange>): Promise<Page> => {
    const rows = await list(change, "newest", limit + 1);
    const more = rows.length > limit;
    if (more) rows.shift();
    return { rows, nextPageToken: more ? pageToken("older", rows[0]?.seq ?? 0) : "" };
  };
  const newer = async (afterSeq: number): Promise<Page> => {
    const rows = await list({ afterSeq: Math.max(afterSeq, floorSeq) }, "oldest", limit + 1);
    const more = rows.length > limit;
    if (more) rows.pop();
    return { rows, nextPageToken: more ? pageToken("newer", rows.at(-1)?.seq ?? 0) : "" };
  };
  const token = readPageToken(request.pageToken, ["string", "number"]) as [string, number] | undefined;
  if (token !== undefined) return token[0] === "newer" ? newer(token[1]) : older({ beforeSeq: token[1] });
  const { position } = request;
  switch (position.case) {
    case "beforeTime":
      return older({ beforeSeq: await seqSince(ceilMs(position.value)) });
    case "beforeSeq":
      return older({ beforeSeq: position.value });
    case "afterSeq":
      return newer(position.value);
    case "aroundSeq": {
      const upTo = await list({ beforeSeq: position.value + 1 }, "newest", Math.ceil(limit / 2));
      const after = await list(
        { afterSeq: Math.max(position.value, floorSeq) },
        "oldest",
        limit - Math.ceil(limit / 2),
      );
      return { rows: [...upTo, ...after], nextPageToken: "" };
    }
    default:
      return older({});
  }
}

/** The first whole millisecond that is not before a time. */
function ceilMs(time: Timestamp): number {
  return Number(time.seconds) * 1000 + Math.ceil(time.nanos / 1_000_000);
}

/** One message by its id, as it is stored, or NOT_FOUND for one that the caller may not see. */
export async function getMessage(ctx: Ctx, caller: UserCaller, messageId: string): Promise<Uint8Array> {
  return await snapshot(ctx.read, async (db) => {
    const row = await findMessage(db, caller.appId, messageId);
    if (row === undefined || !(await mayRead(db, caller.appId, caller.userId, row.conversation_id, row.pos)))
      throw notFound("message", "message_id");
    return row.payload;
  });
}
