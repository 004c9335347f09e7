import type { Times } from "../limits.js";
import type { Timer } from "../ops/clock.js";
import { findUser, findUsers, type UserRow } from "../store/users.js";
import { groupedByApp } from "./by-app.js";
import type { Ctx } from "./context.js";
import { nextTurn } from "./next-turn.js";
import { type PresenceAnnouncer, tellOthers } from "./presence-announcer.js";
import type { PresenceChange } from "./presence-events.js";

const STEP_USERS = 100;

interface Told {
  appId: string;
  userId: string;
  /** Undefined until it is told. */
  online: boolean | undefined;
  /** It has changed since. */
  changed: boolean;
  /** When it is looked at again, by the monotonic clock. */
  againMs: number;
}

/**
 * Tells others of the changes of presence that this node has stored, where several nodes store them. What is told is what is stored by then, and
 * after a while, in which nothing more is told of the user, it is looked at again: whatever two nodes told in which order, the last word is right.
 */
export function createSharedAnnouncer(
  ctx: Pick<Ctx, "read" | "bus" | "apps" | "clock"> & { times: Pick<Times, "presenceTellMs"> },
  onError: (error: unknown) => void,
): PresenceAnnouncer {
  const { clock } = ctx;
  /** Those who are about to be told of, or were a moment ago. */
  const known = new Map<string, Told>();
  const untold: Told[] = [];
  /** Those who were told of, in the order in which they are looked at again. */
  const hushed: Told[] = [];
  let telling: Promise<void> | undefined;
  let timer: Timer | undefined;
  let closed = false;

  const tell = async () => {
    for (let step = untold.splice(0, STEP_USERS); step.length > 0; step = untold.splice(0, STEP_USERS)) {
      for (const one of step) {
        one.againMs = clock.mono() + ctx.times.presenceTellMs;
        await tellOne(one).catch(onError);
        hushed.push(one);
      }
      arm();
      await nextTurn();
    }
    telling = undefined;
  };
  const tellOne = async (one: Told): Promise<void> => {
    one.changed = false;
    const user = await findUser(ctx.read, one.appId, one.userId);
    if (user === undefined) return;
    const change = changeOf(user);
    one.online = change.online;
    await tellOthers(ctx, change);
  };
  const arm = () => {
    const [first] = hushed;
    if (first === undefined || timer !== undefined || closed) return;
    timer = clock.setTimer(() => void look().catch(onError), Math.max(0, first.againMs - clock.mono()));
  };
  /** Looks whether what was told is still so. */
  const look = async (): Promise<void> => {
    timer = undefined;
    const end = hushed.findIndex(({ againMs }) => againMs > clock.mono());
    const due = hushed.splice(0, end < 0 ? hushed.length : end);
    for (const one of due) known.delete(keyOf(one));
    arm();
    for (const [appId, ones] of groupedByApp(due)) {
      const ids = ones.map(({ userId }) => userId);
      const users = new Map((await findUsers(ctx.read, appId, ids)).map((user) => [user.user_id, user]));
      for (const one of ones) {
        const user = users.get(one.userId);
        // Also when it is again what was told: a stream that opened meanwhile was told otherwise.
        if (user !== undefined && (one.changed || changeOf(user).online !== one.online)) announce(one);
      }
    }
  };
  const announce = ({ appId, userId }: Pick<PresenceChange, "appId" | "userId">) => {
    if (closed) return;
    const key = keyOf({ appId, userId });
    const before = known.get(key);
    if (before !== undefined) {
      before.changed = true;
      return;
    }
    const one: Told = { appId, userId, online: undefined, changed: false, againMs: 0 };
    known.set(key, one);
    untold.push(one);
    telling ??= tell();
  };

  return {
    announce,
    async settled() {
      closed = true;
      timer?.cancel();
      while (telling !== undefined) await telling;
    },
  };
}

const keyOf = ({ appId, userId }: { appId: string; userId: string }): string => `${appId}|${userId}`;

function changeOf(user: UserRow): PresenceChange {
  const online = user.online === 1 && user.invisible === 0;
  return { appId: user.app_id, userId: user.user_id, online, atMs: user.last_active_ms ?? 0 };
}
