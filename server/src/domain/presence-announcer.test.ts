import { expect, test } from "vitest";
import { fakeClock } from "../../../test/support/fake-clock.js";
import { tempStore } from "../../../test/support/temp-store.js";
import type { Bus } from "../ports.js";
import { insertUser, listOnlineUsers } from "../store/users.js";
import { createPresenceAnnouncer } from "./presence-announcer.js";

test("the first change is written at once, those that follow are written together, and a stop writes what waits", async () => {
  await using temp = await tempStore();
  const clock = fakeClock();
  const apps = ["a", "b"];
  const users = Array.from({ length: 250 }, (_, at) => ({ appId: apps[at % 2] as string, userId: `u${at}` }));
  for (const appId of apps)
    await temp.committer.run(appId, async (tx) => {
      for (const user of users.filter((one) => one.appId === appId))
        await insertUser(tx, { user_id: user.userId, kind: 1, display_name: "", avatar_url: "", attributes: null });
    });
  let writes = 0;
  const committer: typeof temp.committer = {
    ...temp.committer,
    run: (...work) => {
      writes += 1;
      return temp.committer.run(...work);
    },
  };
  const errors: string[] = [];
  const bus = { publishTransient: () => undefined } as unknown as Bus;
  const ctx = { read: temp.store.read, bus, committer, apps: { find: async () => undefined } };
  const announcer = createPresenceAnnouncer(ctx as never, (error) => errors.push(String(error)));
  const online = async () => (await listOnlineUsers(temp.store.read)).length;
  const come = (from: number, to: number) => {
    for (const user of users.slice(from, to)) announcer.announce({ ...user, online: true, atMs: clock.now() });
  };
  come(0, 1);
  await expect.poll(online).toBe(1);
  // One after the other, as after an outage.
  for (let at = 1; at < users.length; at++) {
    come(at, at + 1);
    if (at % 50 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  await announcer.settled();
  expect([await online(), errors]).toEqual([users.length, []]);
  // The first alone, and of each app a hundred at a time, over at most two rounds.
  expect(writes).toBeLessThanOrEqual(1 + 2 * 2 * 2);
});
