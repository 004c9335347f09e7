import { GoodbyeReason } from "@parley/proto/parley/v1/message_service_pb.js";
import { UserKind } from "@parley/proto/parley/v1/user_pb.js";
import { expect, test } from "vitest";
import { type FakeClock, fakeClock } from "../../../test/support/fake-clock.js";
import { type TempStore, tempStore } from "../../../test/support/temp-store.js";
import type { Bus } from "../ports.js";
import { type Committer, createCommitter } from "../store/committer.js";
import { takeStreamEnds } from "../store/live-sessions.js";
import { insertUser } from "../store/users.js";
import { createLiveness, type Liveness } from "./liveness.js";
import { createMemoryBus } from "./memory-bus.js";
import { createSharedPresence, type SharedPresence } from "./shared-presence.js";
import type { Ending, Subscription } from "./subscription.js";

const GRACE_MS = 10_000;

async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
}

interface TestNode {
  name: string;
  liveness: Liveness;
  shared: SharedPresence;
  committer: Committer;
  /** Opens a stream; what it gives loses it. */
  open(sessionId: string, options?: { visible?: boolean; userId?: string }): (at?: "grace" | "once") => void;
  /** How streams ended, by session. */
  endings: [string, Ending][];
}

/** Nodes over one store and one bus, each with a committer of its own. */
async function createWorld(temp: TempStore, { streamsPerUser = 10, bus = createMemoryBus() } = {}) {
  const clock: FakeClock = fakeClock();
  const told: string[] = [];
  await temp.committer.run("a", async (tx) => {
    for (const user_id of ["tom", "jerry"])
      await insertUser(tx, { user_id, kind: UserKind.ORDINARY, display_name: "", avatar_url: "", attributes: null });
  });
  let streams = 0;
  const addNode = (name: string, hears: Bus = bus): TestNode => {
    const committer = createCommitter({
      write: temp.store.write,
      writing: temp.store.writing,
      room: temp.store.room,
      batchItems: 256,
      queueItems: 2000,
      now: clock.now,
      onCommit: () => undefined,
      onFatal: (error) => {
        throw error;
      },
      onBatch: () => undefined,
    });
    const endings: [string, Ending][] = [];
    const shared: SharedPresence = createSharedPresence({
      committer,
      bus: hears,
      clock,
      streamsPerUser,
      node: () => name,
      liveness: { session: (...which) => liveness.session(...which), end: (...which) => liveness.end(...which) },
      onEdge: ({ userId, online }) => void told.push(`${userId} ${online ? "on" : "off"}`),
    });
    const liveness: Liveness = createLiveness({
      clock,
      presence: {
        arrive: () => undefined,
        leave: () => undefined,
        hide: (appId, userId) => void shared.settle(appId, userId),
      },
      onChange: shared.changed,
      newId: () => `stream${++streams}`,
      quietMs: 60_000,
      graceMs: GRACE_MS,
      bootGraceMs: 0,
      persistMs: 1_000,
      persist: async () => undefined,
    });
    const open: TestNode["open"] = (sessionId, { visible = true, userId = "tom" } = {}) => {
      const end = (ending: Ending) => {
        endings.push([sessionId, ending]);
        leave("grace");
      };
      const leave = liveness.arrive("a", { userId, sessionId, end } as Subscription, { visible, hidden: false });
      return (at = "grace") => leave(at);
    };
    return { name, liveness, shared, committer, open, endings };
  };
  const rows = async () =>
    (await temp.store.read.selectFrom("live_session").selectAll().orderBy("session_id").execute()).map(
      ({ session_id, node, open, visible, client }) => `${session_id} ${node} ${open}${visible} ${client}`,
    );
  return { clock, told, addNode, rows };
}

/** Nothing that a node writes is stored until the function given back is called. */
function loseStore({ committer }: { committer: Committer }): () => void {
  const { submit } = committer;
  committer.submit = () => Promise.reject(new Error("busy"));
  return () => {
    committer.submit = submit;
  };
}

test("a user is online while any of its sessions is here, on whatever node, and that is told once", async () => {
  await using temp = await tempStore();
  const { clock, told, addNode, rows } = await createWorld(temp);
  const [a, b] = [addNode("A"), addNode("B")];
  const loseA = a.open("1");
  const leaveB = b.open("2");
  await settle();
  expect(await rows()).toEqual(["1 A 11 receiving", "2 B 11 receiving"]);
  loseA();
  await settle();
  expect(await rows()).toEqual(["1 A 01 awaited", "2 B 11 receiving"]);
  clock.advance(GRACE_MS);
  await settle();
  expect(await rows()).toEqual(["2 B 11 receiving"]);
  expect(told).toEqual(["tom on"]);
  leaveB("once");
  await settle();
  expect([told, await rows()]).toEqual([["tom on", "tom off"], []]);
});

test("a session that moves to another node flickers nowhere, and its old stream ends", async () => {
  await using temp = await tempStore();
  const { clock, told, addNode, rows } = await createWorld(temp);
  const [a, b] = [addNode("A"), addNode("B")];
  a.open("1");
  await settle();
  b.open("1");
  await settle();
  expect(a.endings).toEqual([["1", { reason: GoodbyeReason.REPLACED, reconnect: false }]]);
  expect(await rows()).toEqual(["1 B 11 receiving"]);
  clock.advance(60_000);
  await settle();
  expect([told, await rows(), b.endings]).toEqual([["tom on"], ["1 B 11 receiving"], []]);
});

test("one that lost its stream and comes back elsewhere within the grace is no change", async () => {
  await using temp = await tempStore();
  const { clock, told, addNode, rows } = await createWorld(temp);
  const [a, b] = [addNode("A"), addNode("B")];
  for (let i = 0; i < 3; i++) {
    const lose = [a, b][i % 2]?.open("1");
    await settle();
    lose?.();
    await settle();
    clock.advance(GRACE_MS - 1);
    await settle();
  }
  a.open("1");
  await settle();
  clock.advance(60_000);
  await settle();
  expect([told, await rows()]).toEqual([["tom on"], ["1 A 11 receiving"]]);
});

test("what a node says late of a stream that is no longer the session's is void", async () => {
  await using temp = await tempStore();
  // The bus brings nothing: the older node goes on as if nothing had happened.
  const { told, addNode, rows } = await createWorld(temp);
  const deaf: Bus = { ...createMemoryBus(), publishSignal: () => undefined };
  const [a, b] = [addNode("A", deaf), addNode("B", { ...deaf, subscribe: () => undefined })];
  a.open("1");
  await settle();
  b.open("1");
  await settle();
  expect(a.endings).toEqual([]);
  a.liveness.ack("a", "1", 0);
  await settle();
  expect(a.endings).toEqual([["1", { reason: GoodbyeReason.REPLACED, reconnect: false }]]);
  expect([told, await rows()]).toEqual([["tom on"], ["1 B 11 receiving"]]);
});

test("a stream is ended on its node at once by the bus, and without it when the node looks", async () => {
  await using temp = await tempStore();
  const { told, addNode, rows } = await createWorld(temp);
  const deaf: Bus = { ...createMemoryBus(), publishSignal: () => undefined };
  const [a, b, c] = [addNode("A"), addNode("B"), addNode("C", deaf)];
  a.open("1");
  c.open("2");
  b.open("3", { userId: "jerry" });
  await settle();
  expect(await b.shared.end("a", "tom", undefined, GoodbyeReason.DISCONNECTED)).toBe(2);
  const ending = { reason: GoodbyeReason.DISCONNECTED, reconnect: false };
  expect(a.endings).toEqual([["1", ending]]);
  expect(told).toEqual(["tom on", "jerry on", "tom off"]);
  expect(await rows()).toEqual(["3 B 11 receiving"]);
  expect(c.endings).toEqual([]);
  c.shared.endHere(await takeStreamEnds(temp.store.aside, "C"));
  expect(c.endings).toEqual([["2", ending]]);
  expect(await takeStreamEnds(temp.store.aside, "C")).toEqual([]);
  // One that the session has opened since is another stream.
  a.open("1");
  a.shared.endHere(await takeStreamEnds(temp.store.aside, "A"));
  await settle();
  expect([a.endings.length, await rows()]).toEqual([1, ["1 A 11 receiving", "3 B 11 receiving"]]);
});

test("of too many streams of a user the oldest ends, wherever it is", async () => {
  await using temp = await tempStore();
  const { clock, addNode, rows } = await createWorld(temp, { streamsPerUser: 2 });
  const [a, b] = [addNode("A"), addNode("B")];
  for (const [node, session] of [
    [a, "1"],
    [b, "2"],
    [a, "3"],
  ] as const) {
    node.open(session);
    await settle();
    clock.advance(10);
  }
  expect(a.endings).toEqual([["1", { reason: GoodbyeReason.TOO_MANY_STREAMS, reconnect: false }]]);
  expect(b.endings).toEqual([]);
  clock.advance(GRACE_MS);
  await settle();
  expect(await rows()).toEqual(["2 B 11 receiving", "3 A 11 receiving"]);
});

test("an invisible stream is here for pushes and not for friends, and a hidden user for none", async () => {
  await using temp = await tempStore();
  const { told, addNode, rows } = await createWorld(temp);
  const a = addNode("A");
  a.open("1", { visible: false });
  await settle();
  expect([told, await rows()]).toEqual([[], ["1 A 10 receiving"]]);
  a.open("2");
  await settle();
  const hide = async (invisible: number) => {
    await temp.committer.run("a", async (tx) => {
      await tx.db.updateTable("user").set({ invisible }).where("user_id", "=", "tom").execute();
    });
    a.shared.settle("a", "tom");
    await settle();
  };
  await hide(1);
  await hide(0);
  expect(told).toEqual(["tom on", "tom off", "tom on"]);
});

test("a client that falls silent is away, then no longer seen, and comes back with a word", async () => {
  await using temp = await tempStore();
  const { clock, told, addNode, rows } = await createWorld(temp);
  const a = addNode("A");
  a.open("1");
  a.liveness.ack("a", "1", 0);
  await settle();
  expect(await rows()).toEqual(["1 A 11 awaited"]);
  clock.advance(60_000);
  await settle();
  expect([told, await rows()]).toEqual([["tom on"], ["1 A 11 away"]]);
  clock.advance(GRACE_MS);
  await settle();
  expect([told, await rows()]).toEqual([["tom on", "tom off"], ["1 A 10 away"]]);
  a.liveness.ack("a", "1", 0);
  await settle();
  expect([told, await rows()]).toEqual([["tom on", "tom off", "tom on"], ["1 A 11 awaited"]]);
});

test("what could not be written is written a second later, as it is by then", async () => {
  await using temp = await tempStore();
  const { clock, told, addNode, rows } = await createWorld(temp);
  const a = addNode("A");
  const recover = loseStore(a);
  a.open("1");
  const lose = a.open("2", { userId: "jerry" });
  await a.shared.written("a", "1");
  lose("once");
  recover();
  await settle();
  expect(await rows()).toEqual([]);
  clock.advance(1_000);
  await settle();
  expect([told, await rows()]).toEqual([["tom on"], ["1 A 11 receiving"]]);
});

test("a second stream that is lost before it was written keeps its session here for the grace, as the first did", async () => {
  await using temp = await tempStore();
  const { clock, told, addNode, rows } = await createWorld(temp);
  const a = addNode("A");
  a.open("1");
  await settle();
  const recover = loseStore(a);
  const lose = a.open("1");
  await settle();
  lose();
  await settle();
  recover();
  clock.advance(1_000);
  await settle();
  expect([told, await rows()]).toEqual([["tom on"], ["1 A 01 awaited"]]);
  clock.advance(GRACE_MS);
  await settle();
  expect([told, await rows()]).toEqual([["tom on", "tom off"], []]);
});

test("and takes nothing from a stream that the session has elsewhere by then", async () => {
  await using temp = await tempStore();
  const { clock, told, addNode, rows } = await createWorld(temp);
  const [a, b] = [addNode("A"), addNode("B")];
  a.open("1");
  await settle();
  const recover = loseStore(a);
  const lose = a.open("1");
  await settle();
  lose();
  b.open("1");
  await settle();
  recover();
  clock.advance(1_000);
  await settle();
  expect([told, await rows()]).toEqual([["tom on"], ["1 B 11 receiving"]]);
  clock.advance(60_000);
  await settle();
  expect([told, await rows(), b.endings]).toEqual([["tom on"], ["1 B 11 receiving"], []]);
});

test("what may have been written by a commit without an answer does not stay behind", async () => {
  await using temp = await tempStore();
  const { clock, told, addNode, rows } = await createWorld(temp);
  const a = addNode("A");
  const submit = a.committer.submit;
  // As when the connection is lost while it commits: it is stored, nothing that was to follow is done, and nobody knows.
  a.committer.submit = async (appId, handler, item) => {
    await temp.committer.submit(appId, (tx, items) => handler({ ...tx, afterCommit: () => undefined }, items), item);
    throw new Error("busy");
  };
  const lose = a.open("1");
  await settle();
  expect(await rows()).toEqual(["1 A 11 receiving"]);
  lose();
  a.committer.submit = submit;
  clock.advance(1_000);
  await settle();
  expect(await rows()).toEqual(["1 A 01 awaited"]);
  clock.advance(GRACE_MS);
  await settle();
  expect([told.at(-1), await rows()]).toEqual(["tom off", []]);
});

test("what stood under a name that is no more is left to the keeper", async () => {
  await using temp = await tempStore();
  const { clock, told, addNode, rows } = await createWorld(temp);
  const a = addNode("A");
  const lose = a.open("1");
  await settle();
  a.shared.abandon();
  lose();
  clock.advance(GRACE_MS);
  await settle();
  expect([told, await rows()]).toEqual([["tom on"], ["1 A 11 receiving"]]);
});
