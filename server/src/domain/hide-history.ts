import type { Peer } from "@parley/proto/parley/v1/peer_pb.js";
import { ChangeKind } from "@parley/proto/parley/v1/stream_event_pb.js";
import { userAudience } from "../store/audience.js";
import type { Tx } from "../store/committer.js";
import { setOwnView } from "../store/conversations.js";
import { findPosAt } from "../store/messages.js";
import type { UserCaller } from "./caller.js";
import type { Ctx } from "./context.js";
import { conversationOf, wirePeer } from "./conversations.js";
import { newEvent } from "./events.js";
import { type View, viewOf } from "./visibility.js";

/** Hides the history of a conversation from the caller alone; see HistoryService.HideHistory. */
export async function hideHistory(
  ctx: Ctx,
  caller: UserCaller,
  peer: Peer | undefined,
  upToSeq: number,
): Promise<number> {
  const conversationId = conversationOf(caller.userId, peer);
  return await ctx.committer.run(caller.appId, async (tx) => {
    const view = await viewOf(tx.db, caller.appId, caller.userId, conversationId);
    return await hide(tx, caller, conversationId, view, upToSeq);
  });
}

/** Takes a conversation off the caller's list until its next message; see ConversationService.DeleteConversation. */
export async function deleteConversation(
  ctx: Ctx,
  caller: UserCaller,
  peer: Peer | undefined,
  hidesHistory: boolean,
): Promise<void> {
  const { appId, userId } = caller;
  const conversationId = conversationOf(userId, peer);
  await ctx.committer.run(appId, async (tx) => {
    const view = await viewOf(tx.db, appId, userId, conversationId);
    if (hidesHistory) await hide(tx, caller, conversationId, view, 0);
    const { own, conversation } = view;
    if (conversation === undefined || own === undefined || own.unlisted_pos >= conversation.last_pos) return;
    await setOwnView(tx, userId, conversationId, { unlisted_pos: conversation.last_pos });
    const value = { conversationId, peer: wirePeer(conversationId, userId), change: ChangeKind.REMOVED };
    tx.emit(newEvent(tx.nowMs, [userAudience(userId)], { case: "conversationChanged", value }));
  });
}

/** Hides up to a seq, or up to the head for 0; what is hidden already stays so. */
async function hide(
  tx: Tx,
  { userId }: UserCaller,
  conversationId: string,
  { own, conversation }: View,
  upToSeq: number,
): Promise<number> {
  if (conversation === undefined || own === undefined) return 0;
  const { head_seq: headSeq, last_pos: headPos } = conversation;
  const seq = upToSeq === 0 ? headSeq : Math.min(upToSeq, headSeq);
  const pos = seq === headSeq ? headPos : await findPosAt(tx.db, tx.appId, conversationId, seq);
  if (pos === undefined || pos <= own.hidden_pos) return seq;
  await setOwnView(tx, userId, conversationId, { hidden_pos: pos });
  const value = {
    conversationId,
    peer: wirePeer(conversationId, userId),
    upToSeq: seq,
    own: true,
    actorUserId: userId,
  };
  tx.emit(newEvent(tx.nowMs, [userAudience(userId)], { case: "historyCleared", value }));
  return seq;
}
