import { copyFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { databaseOf } from "../support/database.js";
import { eventually, newUser, subscribe, type TestStream, type TestUser, withToken } from "../support/index.js";
import { must, say, says, toUser } from "../support/messaging.js";
import { natsInstalled, startNats } from "../support/nats.js";
import { freePort, type ProcessServer, spawnServer } from "../support/process-server.js";
import { tempFolder } from "../support/temp-store.js";
import { SHARED_FILES } from "./nodes.js";

// Presence is of the moment: between nodes the bus alone brings it.
const hasNats = natsInstalled("presence after a node was killed");

const told = (stream: TestStream, { userId }: TestUser) =>
  stream
    .events()
    .flatMap(({ event }) =>
      event.case === "presenceChanged" && event.value.userId === userId ? [event.value.online ? "on" : "off"] : [],
    );

it.skipIf(!hasNats)(
  "when the node that keeps is killed, another keeps, and who does not come back goes offline once",
  {
    timeout: 120_000,
  },
  async () => {
    await using nats = await startNats();
    using first = tempFolder();
    using second = tempFolder();
    const env = { PARLEY_DATABASE_URL: must(await databaseOf(first.path)), PARLEY_NATS_URL: nats.url };
    const nodes: ProcessServer[] = [];
    try {
      const a = await spawnServer({ dataDir: first.path, port: await freePort(), env });
      nodes.push(a);
      for (const file of SHARED_FILES) copyFileSync(join(first.path, file), join(second.path, file));
      const b = await spawnServer({ dataDir: second.path, port: await freePort(), env });
      nodes.push(b);
      const keeper = async ({ url }: ProcessServer) =>
        /parley_keeper 1/.test(await (await fetch(`${url}/metrics`)).text());
      expect([await keeper(a), await keeper(b)]).toEqual([true, false]);

      const [tom, gone, back] = [await newUser(b), await newUser(a), await newUser(a)];
      for (const { userId } of [gone, back]) await tom.rpc.friend.addFriend({ userId });
      const watcher = await subscribe(tom);
      await subscribe(gone);
      await subscribe(back);
      await eventually(() => expect([told(watcher, gone), told(watcher, back)]).toEqual([["on"], ["on"]]));

      const killedMs = performance.now();
      await a.kill();
      const moved = { ...back, rpc: withToken(b, back.token) };
      const stream = await subscribe(moved);
      await say(tom, toUser(back.userId), "still here?");
      await stream.event(says("still here?"));
      await eventually(async () => expect(await keeper(b)).toBe(true), 15_000);
      expect(performance.now() - killedMs).toBeLessThan(15_000);
      await eventually(() => expect(told(watcher, gone)).toEqual(["on", "off"]), 40_000);
      const tookMs = performance.now() - killedMs;
      // The lease was renewed up to 3 s before; then the grace.
      expect(tookMs).toBeGreaterThan(16_000);
      expect(tookMs).toBeLessThan(27_000);
      await new Promise((resolve) => setTimeout(resolve, 6_000));
      expect([told(watcher, gone), told(watcher, back)]).toEqual([["on", "off"], ["on"]]);
      for (const open of [watcher, stream]) await open.close();
    } finally {
      for (const node of nodes) await node.kill();
    }
  },
);
