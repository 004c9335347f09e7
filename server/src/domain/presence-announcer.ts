import { systemClock } from "../ops/clock.js";
import { EVERYONE, userAudience } from "../store/audience.js";
import { listFriends } from "../store/friends.js";
import { findUser, setPresence } from "../store/users.js";
import { groupedByApp } from "./by-app.js";
import type { Ctx } from "./context.js";
import { nextTurn } from "./next-turn.js";
import { type PresenceChange, publishPresence, tellsEveryone } from "./presence-events.js";

/** Tells friends, and of some users everyone, of changes of presence, and keeps each change for those who ask later and for the next start. */
export interface PresenceAnnouncer {
  announce(change: PresenceChange): void;
  /** Resolves when all is told and kept. */
  settled(): Promise<void>;
}

/** What is done between two turns of the event loop, and in one transaction. */
const STEP_USERS = 100;
/** What follows a write waits so long for more: after an outage users come back one by one. */
const GATHER_MS = 200;

/**
 * Thousands come and go in one moment: when a network fails, or when the grace of a start is over. So they are told in steps,
 * and written together: one at a time they would fill the committer's queue, in which messages wait.
 */
export function createPresenceAnnouncer(
  ctx: Pick<Ctx, "read" | "bus" | "committer" | "apps">,
  onError: (error: unknown) => void,
): PresenceAnnouncer {
  const untold: PresenceChange[] = [];
  const unkept = new Map<string, PresenceChange>();
  let telling: Promise<void> | undefined;
  let keeping: Promise<void> | undefined;
  let hurry: () => void = () => undefined;
  let hurried = false;

  const tell = async () => {
    for (let step = untold.splice(0, STEP_USERS); step.length > 0; step = untold.splice(0, STEP_USERS)) {
      for (const change of step) {
        await tellOthers(ctx, change).catch(onError);
        unkept.set(`${change.appId}|${change.userId}`, change);
      }
      keeping ??= keep();
      await nextTurn();
    }
    telling = undefined;
  };

  const keep = async () => {
    while (unkept.size > 0) {
      const byApp = groupedByApp(unkept.values());
      unkept.clear();
      for (const [appId, changes] of byApp) await write(appId, changes);
      await gather();
    }
    keeping = undefined;
  };

  const write = async (appId: string, changes: readonly PresenceChange[]) => {
    for (let at = 0; at < changes.length; at += STEP_USERS) {
      const step = changes.slice(at, at + STEP_USERS);
      const written = ctx.committer.run(appId, async (tx) => {
        for (const { userId, online, atMs } of step) await setPresence(tx, userId, online, atMs);
      });
      await written.catch(onError);
    }
  };

  /** Not by a clock that a test moves: it is about the disk. */
  const gather = () =>
    new Promise<void>((resolve) => {
      hurry = resolve;
      if (hurried) resolve();
      else systemClock.setTimer(resolve, GATHER_MS);
    });

  return {
    announce(change) {
      untold.push(change);
      telling ??= tell();
    },
    async settled() {
      hurried = true;
      hurry();
      while (telling !== undefined || keeping !== undefined) await (telling ?? keeping);
    },
  };
}

/** Tells a change of presence to the user's friends and, if the user wants so, to everyone. */
export async function tellOthers({ read, bus, apps }: Pick<Ctx, "read" | "bus" | "apps">, change: PresenceChange) {
  const { appId, userId } = change;
  const user = await findUser(read, appId, userId);
  const everyone = user !== undefined && (await tellsEveryone(apps, user));
  // Read last: who ceases to be a friend meanwhile is told so, and nothing after it.
  const friends = await listFriends(read, appId, userId);
  publishPresence(
    bus,
    change,
    friends.map((friend) => userAudience(friend.friend_id)),
  );
  // After friends: by that they know that they have heard it already.
  if (everyone) publishPresence(bus, change, [EVERYONE]);
}
