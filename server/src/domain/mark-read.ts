import type { Peer } from "@parley/proto/parley/v1/peer_pb.js";
import { userAudience } from "../store/audience.js";
import { addParticipants, setReadSeq } from "../store/conversations.js";
import type { UserCaller } from "./caller.js";
import type { Ctx } from "./context.js";
import { directUsers } from "./conversation-id.js";
import { conversationOf, counting, unreadOf } from "./conversations.js";
import { newEvent } from "./events.js";
import { viewOf } from "./visibility.js";

/** Moves the caller's read marker forward; see ConversationService.MarkRead. */
export async function markRead(ctx: Ctx, caller: UserCaller, peer: Peer | undefined, readSeq: number) {
  const conversationId = conversationOf(caller.userId, peer);
  const row = await ctx.committer.run(caller.appId, async (tx) => {
    const { appId, userId } = caller;
    const { own, conversation: found } = await viewOf(tx.db, appId, userId, conversationId);
    if (found === undefined) return undefined;
    const before = own?.read_seq;
    const wanted = readSeq === 0 ? found.head_seq : Math.min(readSeq, found.head_seq);
    const marker = Math.max(wanted, before ?? 0);
    if (before === undefined) await addParticipants(tx, [{ userId, conversationId, readSeq: marker }]);
    else if (marker > before) await setReadSeq(tx, userId, conversationId, marker);
    if (marker > (before ?? 0)) {
      // One's own devices, and in a one-to-one conversation the other side.
      const readers = directUsers(conversationId) ?? [userId];
      const value = { conversationId, userId, readSeq: marker };
      tx.emit(newEvent(tx.nowMs, readers.map(userAudience), { case: "readMarkerChanged", value }));
    }
    return { conversation_id: conversationId, ...found, read_seq: marker, unlisted_pos: own?.unlisted_pos ?? 0 };
  });
  if (row === undefined) return { readSeq: 0, unreadCount: 0 };
  // Counting may take long, so it is not the writer's to do; what came since is not in the row.
  const unreadCount = await counting(ctx, async (db, lane) =>
    lane.isTooLong([row]) ? undefined : await unreadOf(db, caller, row, lane),
  );
  return { readSeq: row.read_seq, unreadCount };
}
