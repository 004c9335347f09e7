import { copyFileSync, mkdtempSync } from "node:fs";
import { join } from "node:path";
import { sql } from "kysely";
import { afterEach, describe, expect, it } from "vitest";
import { CALM, startChaosBus } from "../support/chaos-bus.js";
import { rpcOver } from "../support/clients.js";
import { databaseOf } from "../support/database.js";
import {
  eventually,
  login,
  refusal,
  startTestServer,
  subscribe,
  type TestServer,
  type TestUser,
  transportTo,
} from "../support/index.js";
import { count, metric, must, newRoom, say, says, send, text, textsOf, toRoom, toUser } from "../support/messaging.js";
import { natsInstalled, startNats } from "../support/nats.js";
import { openPool } from "../support/postgres.js";
import { TEMP_PARENT } from "../support/temp-parent.js";

const MESSAGES = 20;
const FEW = 3;
const APP_FILE = "development-app.json";
const secretKey = "ab".repeat(32);
const servers: TestServer[] = [];
afterEach(async () => {
  for (const server of servers.splice(0).reverse()) await server.close();
});

/** Two nodes on one database, which see each other by a bus, each by its address of it, or not at all. */
async function startNodes(urls?: [string, string]): Promise<[TestServer, TestServer]> {
  const [dataDir, secondDir] = [newFolder(), newFolder()];
  const databaseUrl = await databaseOf(dataDir);
  const [bus, secondBus] = (urls ?? []).map((url) => ({
    servers: [new URL(url).host],
    tls: false,
    user: undefined,
    password: undefined,
    token: undefined,
  }));
  const first = await startTestServer({ settings: { dataDir, databaseUrl, secretKey, nats: bus } });
  servers.push(first);
  // The app of the first start, which is the other's too.
  copyFileSync(join(dataDir, APP_FILE), join(secondDir, APP_FILE));
  const second = await startTestServer({ settings: { dataDir: secondDir, databaseUrl, secretKey, nats: secondBus } });
  servers.push(second);
  if (urls !== undefined) await bothHear(first, second);
  return [first, second];
}

const newFolder = () => mkdtempSync(join(TEMP_PARENT, "parley-nodes-"));

const bothHear = (...nodes: TestServer[]) =>
  eventually(async () => {
    for (const node of nodes) expect(await metric(node, "parley_bus_up")).toBe(1);
  });

/** How many messages of another version a node has passed over. */
async function ignored({ url }: TestServer): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return Number(/^parley_bus_ignored_total\{reason="version"\} (\d+)$/m.exec(text)?.[1] ?? 0);
}

/** Two users who talk, each to a node of its own. */
async function startTalk([one, two]: readonly [TestServer, TestServer]) {
  const [tom, jerry] = [await login(one, "tom"), await login(two, "jerry")];
  const streams = { tom: await subscribe(tom), jerry: await subscribe(jerry) };
  return { tom, jerry, streams };
}

/** Says something from both sides at once, and gives the slowest way of a message to the other side. */
async function talk(
  { tom, jerry, streams }: Awaited<ReturnType<typeof startTalk>>,
  words: string,
  messages = MESSAGES,
): Promise<number> {
  let slowest = 0;
  for (const nth of count(messages)) {
    const began = performance.now();
    const tell = async (from: TestUser, to: TestUser, heard: (typeof streams)["tom"]) => {
      await say(from, toUser(to.userId), `${words} ${from.userId} ${nth}`);
      await heard.event(says(`${words} ${from.userId} ${nth}`));
      slowest = Math.max(slowest, performance.now() - began);
    };
    await Promise.all([tell(tom, jerry, streams.jerry), tell(jerry, tom, streams.tom)]);
  }
  return slowest;
}

function expectWhole({ streams }: Awaited<ReturnType<typeof startTalk>>, words: string, messages = MESSAGES): void {
  const heard = Object.values(streams).map((stream) =>
    textsOf(stream.events()).filter((said) => said.startsWith(words)),
  );
  for (const said of heard) expect(said).toHaveLength(2 * messages);
  // The log has one order, and both sides have heard that.
  expect(heard[0]).toEqual(heard[1]);
  const all = Object.values(streams).flatMap(({ frames }) => frames.map((frame) => frame.case));
  expect(all.filter((name) => name === "resyncRequired" || name === "goodbye")).toEqual([]);
}

describe("two nodes on one database", () => {
  it("go on when a newer version has changed the tables, and none of theirs starts any more", async () => {
    const nodes = await startNodes();
    const world = await startTalk(nodes);
    await talk(world, "before", FEW);
    const url = must(await databaseOf(nodes[0].dataDir));
    const db = openPool(url);
    for (const table of ["message", "event", "session", "user", "live_session"])
      await sql`alter table ${sql.table(table)} add column of_tomorrow text not null default ''`.execute(db);
    await sql`insert into kysely_migration values ('9999_of_tomorrow', '2100')`.execute(db);
    await talk(world, "after", FEW);
    expectWhole(world, "after", FEW);
    await login(nodes[1], "spike");
    const settings = { dataDir: newFolder(), databaseUrl: url, secretKey };
    await expect(startTestServer({ settings })).rejects.toThrow("a newer version of Parley wrote the database");
    // The database is used again.
    for (const table of ["message", "event", "session", "user", "live_session"])
      await sql`alter table ${sql.table(table)} drop column of_tomorrow`.execute(db);
    await sql`delete from kysely_migration where name = '9999_of_tomorrow'`.execute(db);
    await db.destroy();
  });

  it("hear of each other without a bus, by looking", async () => {
    const world = await startTalk(await startNodes());
    expect(await talk(world, "looked")).toBeLessThan(1_000);
    expectWhole(world, "looked");
  });

  it("refuse a session that was ended on another, which they know and nobody tells them of", async () => {
    const [one, two] = await startNodes();
    const tom = await login(one, "tom");
    const there = rpcOver(transportTo(two.url, { authorization: `Bearer ${tom.token}` }));
    await there.message.listEvents({});
    await tom.rpc.auth.logout({});
    // 2 s are promised; the rest is for a busy machine.
    await eventually(
      async () => expect(await refusal(there.message.listEvents({}))).toMatchObject({ reason: "SESSION_REVOKED" }),
      5_000,
    );
  });

  describe.skipIf(!natsInstalled("two nodes and a bus"))("and a bus", () => {
    it("hear of each other at once, rooms and typing too, and go on while the bus is away", async () => {
      await using nats = await startNats();
      const nodes = await startNodes([nats.url, nats.url]);
      const world = await startTalk(nodes);
      const { tom, jerry, streams } = world;
      await talk(world, "told");
      expectWhole(world, "told");

      const roomId = await newRoom(tom, [jerry]);
      await streams.jerry.event(({ event }) => event.case === "roomChanged");
      await eventually(async () => {
        await send(tom, toRoom(roomId), "in the room");
        await streams.jerry.event(says("in the room"));
      });
      await jerry.rpc.message.setTyping({ peer: toUser("tom"), typing: true });
      await streams.tom.event(({ event }) => event.case === "typingChanged");

      await nats.stop();
      await eventually(async () => expect(await metric(nodes[0], "parley_bus_up")).toBe(0));
      expect(await talk(world, "unheard")).toBeLessThan(1_000);
      expectWhole(world, "unheard");

      await nats.start();
      await bothHear(...nodes);
      await talk(world, "again");
      expectWhole(world, "again");
    });

    it("passes over what another version writes, counts it, and delivers by the store", async () => {
      await using nats = await startNats();
      const [newer, older] = [await startChaosBus(nats.port), await startChaosBus(nats.port)];
      try {
        const nodes = await startNodes([newer.url, older.url]);
        // What the other says on the bus comes to each node in a form that it does not know.
        for (const bus of [newer, older]) bus.faults = { ...CALM, version: 99 };
        const world = await startTalk(nodes);
        expect(await talk(world, "foreign", FEW)).toBeLessThan(5_000);
        expectWhole(world, "foreign", FEW);
        for (const node of nodes) expect(await ignored(node)).toBeGreaterThan(0);
      } finally {
        await newer.close();
        await older.close();
      }
    });

    it("a cursor from the node that is ahead is good on the other", async () => {
      await using nats = await startNats();
      const nodes = await startNodes([nats.url, nats.url]);
      const { tom, jerry } = await startTalk(nodes);
      for (const nth of count(MESSAGES)) {
        await tom.rpc.message.sendMessage({ receiver: toUser("jerry"), content: text(`ahead ${nth}`) });
        const { cursor } = await tom.rpc.message.listEvents({});
        const stream = await subscribe(jerry, { cursor });
        expect(stream.frames.map((frame) => frame.case)).not.toContain("resyncRequired");
        await jerry.rpc.message.ackEvents({ cursor });
        await stream.close();
      }
    });
  });
});
