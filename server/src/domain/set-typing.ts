import type { Peer } from "@parley/proto/parley/v1/peer_pb.js";
import { UserKind } from "@parley/proto/parley/v1/user_pb.js";
import { userAudience } from "../store/audience.js";
import type { UserCaller } from "./caller.js";
import type { Ctx } from "./context.js";
import { DomainError, ErrorReason } from "./errors.js";
import { newEvent } from "./events.js";
import { targetOf } from "./send-target.js";
import { mayTalk } from "./send-transient.js";

/** Tells the other side of a conversation that the caller types, or stopped; see MessageService.SetTyping. */
export async function setTyping(ctx: Ctx, caller: UserCaller, peer: Peer | undefined, typing: boolean): Promise<void> {
  const target = targetOf(caller.userId, peer);
  if (caller.userKind === UserKind.GUEST && target.kind !== "user")
    throw new DomainError(ErrorReason.ROLE_TOO_LOW, "guests talk to users only", { field: "peer" });
  const app = await ctx.apps.find(caller.appId);
  if (app === undefined) throw new Error("a caller of no app");
  await mayTalk(ctx, app, caller.userId, target);
  // More often than the other side can see is dropped; the end of typing has a measure of its own, so as not to be lost behind its beginning.
  const key = `typing|${typing}|${caller.appId}|${caller.userId}|${target.kind}|${target.id}`;
  if (!ctx.buckets.tryTake(key, 1, 1)) return;
  const audiences = target.kind === "user" ? [userAudience(target.id)] : target.audiences;
  const seenAs: Peer = target.kind === "user" || peer === undefined ? userPeer(caller.userId) : peer;
  const value = { peer: seenAs, userId: caller.userId, typing };
  ctx.bus.publishTransient({
    appId: caller.appId,
    ...newEvent(ctx.clock.now(), audiences, { case: "typingChanged", value }),
  });
}

function userPeer(userId: string): Peer {
  return { $typeName: "parley.v1.Peer", peer: { case: "userId", value: userId } };
}
