import { fromBinary } from "@bufbuild/protobuf";
import { StreamEventSchema } from "@parley/proto/parley/v1/stream_event_pb.js";
import { UserKind } from "@parley/proto/parley/v1/user_pb.js";
import { expect, test } from "vitest";
import { fakeClock } from "../../../test/support/fake-clock.js";
import { tempStore } from "../../../test/support/temp-store.js";
import { createMemoryBus } from "../delivery/memory-bus.js";
import { insertFriends } from "../store/friends.js";
import { insertUser, setPresence } from "../store/users.js";
import { createAppCache } from "./apps.js";
import { createSharedAnnouncer } from "./shared-announcer.js";

const TELL_MS = 5_000;

async function settle(): Promise<void> {
  for (let i = 0; i < 30; i++) await new Promise((resolve) => setImmediate(resolve));
}

async function createWorld() {
  const clock = fakeClock();
  const temp = await tempStore({ now: clock.now });
  const { read } = temp.store;
  const bus = createMemoryBus();
  const told: string[] = [];
  bus.subscribe({
    transient({ payload, audiences }) {
      const { event } = fromBinary(StreamEventSchema, payload);
      if (event.case === "presenceChanged")
        told.push(`${audiences.join()}: ${event.value.userId} ${event.value.online ? "on" : "off"}`);
    },
  });
  await temp.committer.run("a", async (tx) => {
    for (const user_id of ["tom", "jerry"])
      await insertUser(tx, { user_id, kind: UserKind.ORDINARY, display_name: "", avatar_url: "", attributes: null });
    await insertFriends(tx, "tom", "jerry");
  });
  const newAnnouncer = () =>
    createSharedAnnouncer(
      { read, bus, clock, apps: createAppCache(read, clock, 1_500), times: { presenceTellMs: TELL_MS } },
      (error) => {
        throw error;
      },
    );
  const edge = async (announcer: ReturnType<typeof newAnnouncer>, online: boolean) => {
    await temp.committer.run("a", (tx) => setPresence(tx, "tom", online, tx.nowMs));
    announcer.announce({ appId: "a", userId: "tom", online, atMs: 0 });
    await settle();
  };
  const pass = async (ms: number) => {
    clock.advance(ms);
    await settle();
  };
  return { temp, told, newAnnouncer, edge, pass };
}

test("friends are told once, nothing more for a while, and then what is so", async () => {
  const { temp, told, newAnnouncer, edge, pass } = await createWorld();
  const announcer = newAnnouncer();
  await edge(announcer, true);
  expect(told).toEqual(["u:jerry: tom on"]);
  await edge(announcer, false);
  await pass(TELL_MS - 1);
  expect(told).toHaveLength(1);
  await pass(1);
  expect(told.slice(1)).toEqual(["u:jerry: tom off"]);
  await pass(TELL_MS);
  await pass(TELL_MS);
  expect(told).toHaveLength(2);
  // Also what was told before: a stream that opened meanwhile was told otherwise.
  await edge(announcer, true);
  await edge(announcer, false);
  await edge(announcer, true);
  await pass(TELL_MS);
  expect(told.slice(2)).toEqual(["u:jerry: tom on", "u:jerry: tom on"]);
  await announcer.settled();
  await temp[Symbol.asyncDispose]();
});

test("when two nodes tell, and the older word comes last, it is put right", async () => {
  const { temp, told, newAnnouncer, edge, pass } = await createWorld();
  const [a, b] = [newAnnouncer(), newAnnouncer()];
  await edge(a, true);
  await pass(1_000);
  await edge(b, false);
  // Receivers may have heard these two in either order.
  expect(told).toEqual(["u:jerry: tom on", "u:jerry: tom off"]);
  await pass(TELL_MS - 1_000);
  expect(told.slice(2)).toEqual(["u:jerry: tom off"]);
  await pass(TELL_MS);
  await pass(TELL_MS);
  expect(told).toHaveLength(3);
  for (const announcer of [a, b]) await announcer.settled();
  await temp[Symbol.asyncDispose]();
});
