import { fromBinary } from "@bufbuild/protobuf";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import { type ChatMessage, ChatMessageSchema } from "@parley/proto/parley/v1/chat_message_pb.js";
import type { ExportHistoryRequest } from "@parley/proto/parley/v1/history_service_pb.js";
import { readLogState } from "../../store/log.js";
import { findSeqSince, listMessages } from "../../store/messages.js";
import { snapshot } from "../../store/snapshot.js";
import type { UserCaller } from "../caller.js";
import type { Ctx } from "../context.js";
import { conversationOf } from "../conversations.js";
import { nextTurn } from "../next-turn.js";
import { pageToken, readPageToken } from "../page.js";
import { viewOf } from "../visibility.js";

/** The messages read at once: what an export holds in memory, whatever its size. */
export const STEP_MESSAGES = 50;

/** Tells all messages of one conversation that the caller can read; see HistoryService.ExportHistory. What it reads in one step it forgets before the next. */
export async function* exportHistory(
  ctx: Ctx,
  caller: UserCaller,
  request: ExportHistoryRequest,
): AsyncGenerator<{ message: ChatMessage; checkpoint: string }> {
  const { appId, userId } = caller;
  const conversationId = conversationOf(userId, request.peer);
  const place = readPageToken(request.checkpoint, ["number", "number"], "checkpoint") as [number, number] | undefined;
  const fromMs = request.fromTime === undefined ? Number.NEGATIVE_INFINITY : timestampMs(request.fromTime);
  const beforeMs = request.toTime && timestampMs(request.toTime);
  const upToPos = place?.[0] ?? (await readLogState(ctx.read, appId)).head;
  let afterSeq = place?.[1] ?? 0;
  for (;;) {
    // Each step asks anew whether the caller may still read it.
    const rows = await snapshot(ctx.read, async (db) => {
      const { afterPos, conversation } = await viewOf(db, appId, userId, conversationId);
      const [floorSeq, headSeq] = [conversation?.floor_seq ?? 0, conversation?.head_seq ?? 0];
      const beforeSeq =
        beforeMs === undefined
          ? undefined
          : await findSeqSince(db, appId, conversationId, { floorSeq, headSeq, ms: beforeMs });
      const range = { afterSeq: Math.max(afterSeq, floorSeq), beforeSeq, afterPos, upToPos };
      return await listMessages(db, appId, conversationId, range, "oldest", STEP_MESSAGES);
    });
    for (const { seq, payload } of rows) {
      const message = fromBinary(ChatMessageSchema, payload);
      afterSeq = seq;
      if (message.createTime === undefined || timestampMs(message.createTime) < fromMs) continue;
      yield { message, checkpoint: pageToken(upToPos, seq) };
    }
    if (rows.length < STEP_MESSAGES) return;
    await nextTurn();
  }
}
