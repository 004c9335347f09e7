import { UserKind } from "@parley/proto/parley/v1/user_pb.js";
import { expect, test } from "vitest";
import { fakeClock } from "../../../test/support/fake-clock.js";
import { tempStore } from "../../../test/support/temp-store.js";
import { createLeases } from "../store/leases.js";
import { putLiveSessions } from "../store/live-sessions.js";
import { insertUser } from "../store/users.js";
import { startReaper } from "./reaper.js";

const [LEASE_MS, GRACE_MS, BOOT_MS] = [10_000, 10_000, 15_000];

async function settle(): Promise<void> {
  for (let i = 0; i < 50; i++) await new Promise((resolve) => setImmediate(resolve));
}

async function createWorld() {
  const clock = fakeClock();
  const temp = await tempStore({ now: clock.now });
  const leases = createLeases(temp.store, clock.now);
  const told: string[] = [];
  const users = ["tom", "jerry", "spike"];
  await temp.committer.run("a", async (tx) => {
    await tx.db
      .insertInto("app")
      .values({ app_id: "a", name: "", client_key: "", settings: "{}", create_ms: 0 })
      .execute();
    for (const user_id of users)
      await insertUser(tx, { user_id, kind: UserKind.ORDINARY, display_name: "", avatar_url: "", attributes: null });
  });
  const arrive = (node: string, user_id: string, session_id: string, stream = `${node}${session_id}`) =>
    temp.committer.run("a", async (tx) => {
      const session = { session_id, user_id, stream, open: 1, visible: 1, client: "awaited" as const };
      const rules = { most: 10, reasons: { replaced: 1, tooMany: 2 } };
      await putLiveSessions(tx, node, [{ session, arrives: true, insteadOf: [] }], rules);
    });
  const start = (ageMs = BOOT_MS) => {
    const beganMs = clock.mono() - ageMs;
    return startReaper({
      read: temp.store.read,
      committer: temp.committer,
      leases,
      clock,
      nodes: "node:",
      graceMs: GRACE_MS,
      bootGraceMs: BOOT_MS,
      ageMs: () => clock.mono() - beganMs,
      onEdge: ({ userId, online }) => void told.push(`${userId} ${online ? "on" : "off"}`),
      onError: (error) => {
        throw error;
      },
    });
  };
  const pass = async (ms: number) => {
    for (let left = ms; left > 0; left -= 1_000) {
      clock.advance(Math.min(left, 1_000));
      await settle();
    }
  };
  return { temp, leases, told, clock, arrive, start, pass };
}

test("when a node dies, who does not come back within the grace goes offline once, and nobody else", async () => {
  const { temp, leases, told, arrive, start, pass } = await createWorld();
  for (const node of ["A", "B"]) await leases.take(`node:${node}`, node, LEASE_MS);
  await arrive("A", "tom", "1");
  await arrive("A", "jerry", "2");
  await arrive("A", "spike", "3");
  await arrive("B", "spike", "4");
  const reaper = start();
  await pass(LEASE_MS);
  await arrive("B", "tom", "1");
  for (let i = 0; i < 9; i++) {
    await leases.take("node:B", "B", LEASE_MS);
    await pass(1_000);
  }
  expect(told).toEqual([]);
  await leases.take("node:B", "B", LEASE_MS);
  await pass(2_000);
  expect(told).toEqual(["jerry off"]);
  await leases.take("node:B", "B", LEASE_MS);
  await pass(5_000);
  expect(told).toEqual(["jerry off"]);
  const rows = await temp.store.read.selectFrom("live_session").select(["session_id", "node"]).execute();
  expect(rows.map(({ session_id, node }) => `${session_id} ${node}`).sort()).toEqual(["1 B", "4 B"]);
  expect((await leases.list("node:")).map(({ holder }) => holder)).toEqual(["B"]);
  await reaper.close();
  await temp[Symbol.asyncDispose]();
});

test("after a start nobody is given up before everybody had the time to come back", async () => {
  const { temp, leases, told, arrive, start, pass } = await createWorld();
  await leases.take("node:A", "A", LEASE_MS);
  await arrive("A", "tom", "1");
  await arrive("gone", "jerry", "2");
  await pass(3_600_000 / 60);
  const reaper = start(0);
  await pass(BOOT_MS - 1_000);
  expect(told).toEqual([]);
  await pass(2_000);
  expect(told.sort()).toEqual(["jerry off", "tom off"]);
  await reaper.close();
  await temp[Symbol.asyncDispose]();
});

test("who is online by no session at all is not for ever", async () => {
  const { temp, told, start, pass } = await createWorld();
  await temp.committer.run("a", async (tx) => {
    await tx.db.updateTable("user").set({ online: 1 }).where("user_id", "=", "tom").execute();
  });
  const reaper = start();
  await pass(1_000);
  expect(told).toEqual(["tom off"]);
  await reaper.close();
  await temp[Symbol.asyncDispose]();
});
