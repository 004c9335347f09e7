import { create, toBinary } from "@bufbuild/protobuf";
import { EventKind, StreamEventSchema } from "@parley/proto/parley/v1/stream_event_pb.js";
import { UserKind } from "@parley/proto/parley/v1/user_pb.js";
import { expect, test } from "vitest";
import { fakeClock } from "../../../../test/support/fake-clock.js";
import { tempStore } from "../../../../test/support/temp-store.js";
import { findCounted, readStatistics } from "../../store/statistics.js";
import { insertUser, setPresence } from "../../store/users.js";
import { startCountingForAll } from "./count-for-all.js";
import { tallyUncounted } from "./count-log.js";

const PERSIST_MS = 10_000;
const DAY = Date.UTC(2030, 0, 1);

async function settle(): Promise<void> {
  for (let i = 0; i < 50; i++) await new Promise((resolve) => setImmediate(resolve));
}

async function createWorld() {
  const clock = fakeClock(DAY);
  const temp = await tempStore({ now: clock.now });
  const errors: unknown[] = [];
  const deps = { read: temp.store.read, committer: temp.committer, clock, times: { countsPersistMs: PERSIST_MS } };
  const start = () => startCountingForAll(deps, (error) => void errors.push(error));
  const say = () =>
    temp.committer.run("a", async (tx) => {
      const message = { sender: { sender: { case: "userId" as const, value: "tom" } } };
      const event = create(StreamEventSchema, { event: { case: "messageCreated", value: { message } } });
      tx.emit({
        kind: EventKind.MESSAGE_CREATED,
        payload: toBinary(StreamEventSchema, event),
        audiences: ["u:tom", "u:jerry"],
      });
    });
  const counts = async () =>
    Object.fromEntries(
      (await readStatistics(temp.store.read, "a", "d", DAY, DAY + 86_400_000)).map(({ name, value }) => [name, value]),
    );
  const pass = async (ms: number) => {
    clock.advance(ms);
    await settle();
  };
  return { temp, errors, start, say, counts, pass };
}

test("every message is counted once, whoever counts and however often that changes", async () => {
  const { temp, errors, start, say, counts, pass } = await createWorld();
  for (let i = 0; i < 3; i++) await say();
  const a = start();
  await settle();
  expect(await counts()).toMatchObject({ messages_strangers: 3, active_users: 1 });
  await say();
  expect((await tallyUncounted(temp.store.read, "a")).tally.pairs.size).toBe(1);
  // Two think at one moment that it is theirs.
  const b = start();
  await pass(PERSIST_MS);
  await say();
  await pass(PERSIST_MS);
  expect(await counts()).toMatchObject({ messages_strangers: 5 });
  expect(await findCounted(temp.store.read, "a")).toBe(5);
  for (const counting of [a, b]) await counting.close();
  await say();
  await start().close();
  const last = start();
  await settle();
  expect(await counts()).toMatchObject({ messages_strangers: 6 });
  await last.close();
  expect(errors.every((error) => String(error).includes("counted elsewhere"))).toBe(true);
  await temp[Symbol.asyncDispose]();
});

test("who is online is in the peak, and active on each day", async () => {
  const { temp, start, counts, pass } = await createWorld();
  await temp.committer.run("a", async (tx) => {
    for (const user_id of ["tom", "jerry"]) {
      await insertUser(tx, { user_id, kind: UserKind.ORDINARY, display_name: "", avatar_url: "", attributes: null });
      await setPresence(tx, user_id, true, tx.nowMs);
    }
  });
  const counting = start();
  await settle();
  expect(await counts()).toMatchObject({ peak_online_users: 2, active_users: 2 });
  await pass(86_400_000);
  const days = await readStatistics(temp.store.read, "a", "d", DAY + 86_400_000, DAY + 86_400_000);
  expect(days.find(({ name }) => name === "active_users")?.value).toBe(2);
  await counting.close();
  await temp[Symbol.asyncDispose]();
});
