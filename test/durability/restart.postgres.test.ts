import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventually } from "../support/index.js";
import { count } from "../support/messaging.js";
import { type PostgresServer, startPostgres } from "../support/postgres.js";
import { freePort, type ProcessServer, spawnServer } from "../support/process-server.js";
import { figure } from "../support/proofs/figure.js";
import { sized } from "../support/proofs/tier.js";
import { TEMP_PARENT } from "../support/temp-parent.js";
import { expectWhole, follow, readAll, sendWhile, startGroup, type Witness } from "./load.js";

const RESTARTS = sized(3, 20);
const KILLS = sized(2, 50);
const SENDERS = sized(3, 10);
/** How soon writes are back once the database is. */
const BACK_MS = 3_000;

describe("D11: PostgreSQL crashes under load", () => {
  const dataDir = mkdtempSync(join(TEMP_PARENT, "parley-restart-"));
  let postgres: PostgresServer;
  let server: ProcessServer;
  beforeAll(async () => {
    postgres = await startPostgres();
    await postgres.run("create database parley template template0");
    const env = { PARLEY_DATABASE_URL: postgres.url("parley"), PARLEY_LOG_LEVEL: "fatal" };
    server = await spawnServer({ dataDir, port: await freePort(), env });
  });
  afterAll(async () => {
    await server.stop();
    await postgres.stop();
    rmSync(dataDir, { recursive: true, force: true });
  });

  it("nothing acknowledged is lost or doubled, readers stay whole, and writes are back soon", async (context) => {
    const witness: Witness = new Map();
    const { users, groupId } = await startGroup(server, ["reader", ...count(SENDERS).map((n) => `sender-${n}`)]);
    const [reader, ...senders] = users as [(typeof users)[number], ...typeof users];
    const { cursor } = await reader.rpc.message.listEvents({});
    const follower = follow(reader, cursor);
    let running = true;
    const work = senders.map((user) =>
      sendWhile(
        () => running,
        user,
        groupId,
        (key, ack) => witness.set(key, ack),
      ),
    );
    let slowestMs = 0;
    const untilWritten = async () => {
      const [before, began] = [witness.size, performance.now()];
      await eventually(() => expect(witness.size).toBeGreaterThan(before), 30_000);
      slowestMs = Math.max(slowestMs, performance.now() - began);
    };
    for (let round = 0; round < RESTARTS; round++) {
      await untilWritten();
      await delay(Math.random() * 300);
      await postgres.crash();
      await untilWritten();
    }
    for (let round = 0; round < KILLS; round++) {
      await killWriter();
      await untilWritten();
    }
    running = false;
    await Promise.all(work);
    const stored = await readAll(reader, groupId);
    expectWhole(stored, witness);
    await eventually(() => expect(follower.seen.length).toBe(stored.length), 20_000);
    expect(follower.seen.map(({ seq }) => seq)).toEqual(stored.map((message) => message.seq));
    expect(follower.resyncs).toBe(0);
    await follower.stop();
    expect(slowestMs).toBeLessThan(BACK_MS);
    expect(server.process.exitCode).toBe(null);
    const retried = [...witness.values()].filter((ack) => ack.retried).length;
    figure(
      context,
      `${RESTARTS} crashes, ${KILLS} killed backends, ${witness.size} acknowledged (${retried} at a later try), 0 lost, ` +
        `0 doubled, writes back within ${Math.ceil(slowestMs)} ms`,
    );
  }, 1_800_000);

  async function writers(atCommit: boolean): Promise<{ pid: number }[]> {
    const rows = await postgres.run(`
      select pid from pg_stat_activity where datname = 'parley' and application_name = 'parley'
        and query !~ '^(set|select)' and (state = 'active' and query = 'commit' or not ${atCommit})`);
    return rows as { pid: number }[];
  }

  /** Kills the process of the server that writes, in a commit if one can be met: the whole server then starts anew. */
  async function killWriter(): Promise<void> {
    for (let tries = 0; ; tries++) {
      const [writer] = await writers(tries < 50).catch(() => []);
      if (writer === undefined) continue;
      process.kill(writer.pid, "SIGKILL");
      return;
    }
  }
});
