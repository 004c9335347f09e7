import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { type TempStore, tempStore } from "../../../test/support/temp-store.js";
import type { Bus } from "../ports.js";
import { insertUser, listOnlineUsers } from "../store/users.js";
import { createPresenceAnnouncer } from "./presence-announcer.js";

const APPS = ["a", "b"];
const USERS = 40;

// The pause between two writes is over when the test says so.
beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] }));
afterEach(() => void vi.useRealTimers());

const settle = async () => {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
};

/** An announcer over a store with users, who come one after the other. */
async function createWorld({ store, committer }: TempStore) {
  const user = (at: number) => ({ appId: APPS[at % APPS.length] as string, userId: `u${at}` });
  for (let at = 0; at < USERS; at++) {
    const { appId, userId } = user(at);
    const row = { user_id: userId, kind: 1, display_name: "", avatar_url: "", attributes: null };
    await committer.run(appId, (tx) => insertUser(tx, row));
  }
  const writes: string[] = [];
  const counted: typeof committer = {
    ...committer,
    run(appId, ...rest) {
      writes.push(appId);
      return committer.run(appId, ...rest);
    },
  };
  const bus = { publishTransient: () => undefined } as unknown as Bus;
  const ctx = { read: store.read, bus, committer: counted, apps: { find: async () => undefined } };
  const announcer = createPresenceAnnouncer(ctx as never, (error) => expect.fail(String(error)));
  const come = async (from: number, to: number) => {
    for (let at = from; at < to; at++) {
      announcer.announce({ ...user(at), online: true, atMs: 1 });
      await settle();
    }
  };
  return { announcer, writes, come, online: async () => (await listOnlineUsers(store.read)).length };
}

test("the first who comes is written at once, and who comes within the pause after it together, whatever the app", async () => {
  await using temp = await tempStore();
  const { writes, come, online } = await createWorld(temp);
  await come(0, 1);
  expect([await online(), writes]).toEqual([1, ["a"]]);
  await come(1, USERS);
  expect([await online(), writes]).toEqual([1, ["a"]]);
  vi.advanceTimersByTime(200);
  await settle();
  expect([await online(), writes]).toEqual([USERS, ["a", "b", "a"]]);
});

test("a stop writes what waits, without the pause", async () => {
  await using temp = await tempStore();
  const { announcer, come, online } = await createWorld(temp);
  await come(0, 5);
  await announcer.settled();
  expect(await online()).toBe(5);
});
