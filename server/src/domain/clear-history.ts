import { create } from "@bufbuild/protobuf";
import { GroupRole } from "@parley/proto/parley/v1/group_pb.js";
import { type Peer, PeerSchema } from "@parley/proto/parley/v1/peer_pb.js";
import { clearConversation, findConversation } from "../store/conversations.js";
import { beginErasure } from "../store/erasure.js";
import type { Caller } from "./caller.js";
import type { Ctx } from "./context.js";
import { DomainError, ErrorReason } from "./errors.js";
import { newEvent } from "./events.js";
import { GROUPS } from "./groups/group.js";
import { asOrdinaryCaller } from "./ordinary.js";
import { requireRole, standingIn } from "./places/standing.js";

/** Clears the history of a group for everybody; see HistoryService.ClearHistory. */
export async function clearHistory(ctx: Ctx, caller: Caller, peer: Peer | undefined): Promise<number> {
  const by = asOrdinaryCaller(caller);
  if (peer?.peer.case !== "groupId")
    throw new DomainError(ErrorReason.UNSUPPORTED, "only the history of a group can be cleared for everybody", {
      field: "peer",
    });
  const groupId = peer.peer.value;
  return await ctx.committer.run(by.appId, async (tx) => {
    const standing = await standingIn(tx.db, GROUPS, groupId, by);
    requireRole(GROUPS, standing, GroupRole.OWNER, "peer.group_id");
    const { place, actorUserId } = standing;
    const conversation = await findConversation(tx.db, by.appId, place.place);
    if (conversation === undefined) return 0;
    const { head_seq: upToSeq, floor_seq, last_pos } = conversation;
    if (floor_seq === upToSeq) return upToSeq;
    await clearConversation(tx, place.place);
    await beginErasure(tx, place.place, last_pos);
    const group = create(PeerSchema, { peer: { case: "groupId", value: groupId } });
    const value = { conversationId: place.place, peer: group, upToSeq, actorUserId };
    tx.emit(newEvent(tx.nowMs, [place.place], { case: "historyCleared", value }));
    return upToSeq;
  });
}
