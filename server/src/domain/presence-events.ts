import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { Bus, NewEvent } from "../ports.js";
import { EVERYONE, userAudience } from "../store/audience.js";
import { listFriends } from "../store/friends.js";
import type { UserRow } from "../store/users.js";
import type { Ctx } from "./context.js";
import { newEvent } from "./events.js";

export interface PresenceChange {
  appId: string;
  userId: string;
  online: boolean;
  atMs: number;
}

/** The friends of a user that are online, as the events a new stream is told. */
export async function presenceSnapshot(ctx: Ctx, appId: string, userId: string): Promise<NewEvent[]> {
  const friends = await listFriends(ctx.read, appId, userId);
  const online = await ctx.presence.onlineAmong(
    appId,
    friends.map((friend) => friend.friend_id),
  );
  return online.map(({ userId: friendId, lastActiveMs }) => {
    const change = { appId, userId: friendId, online: true, atMs: lastActiveMs ?? ctx.clock.now() };
    return presenceEvent(change, [userAudience(userId)]);
  });
}

/** Tells two users who have just become friends that the other is here, as a stream opened later would be told. */
export function introduceFriends(ctx: Ctx, a: UserRow, b: UserRow): void {
  for (const [user, friend] of [
    [a, b],
    [b, a],
  ] as const) {
    const { online, lastActiveMs } = ctx.presence.of(user);
    if (!online) continue;
    const change = { appId: user.app_id, userId: user.user_id, online, atMs: lastActiveMs ?? ctx.clock.now() };
    publishPresence(ctx.bus, change, [userAudience(friend.user_id)]);
  }
}

/** The event of a change of presence. */
function presenceEvent({ userId, online, atMs }: PresenceChange, audiences: readonly string[]): NewEvent {
  const toEveryone = audiences.includes(EVERYONE);
  return newEvent(atMs, audiences, {
    case: "presenceChanged",
    value: { userId, online, lastActiveTime: timestampFromMs(atMs), toEveryone },
  });
}

/** Tells these audiences of a change of presence. */
export function publishPresence(bus: Bus, change: PresenceChange, audiences: readonly string[]): void {
  if (audiences.length > 0) bus.publishTransient({ appId: change.appId, ...presenceEvent(change, audiences) });
}

/** Whether everyone is told of a user: it wants so, and its app lets it. */
export async function tellsEveryone(
  apps: Ctx["apps"],
  user: Pick<UserRow, "app_id" | "notify_everyone">,
): Promise<boolean> {
  return user.notify_everyone === 1 && (await apps.find(user.app_id))?.rules.allowNotifyEveryone === true;
}
