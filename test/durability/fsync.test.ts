import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { login, type TestUser } from "../support/index.js";
import { freePort, type ProcessServer, spawnServer } from "../support/process-server.js";
import { figure } from "../support/proofs/figure.js";
import { sized } from "../support/proofs/tier.js";
import { TEMP_PARENT } from "../support/temp-parent.js";

const SENDS = sized(200, 1000);
const TOGETHER = 64 * 20;
const strace = existsSync("/usr/bin/strace");
if (!strace) {
  if (process.env.PARLEY_REQUIRE_ALL === "1") throw new Error("strace is missing: apt-get install strace");
  console.warn("skipped D4, which wants strace: apt-get install strace");
}

describe.skipIf(!strace)("D4: every acknowledged send was synced", () => {
  const dataDir = mkdtempSync(join(TEMP_PARENT, "parley-fsync-"));
  afterAll(() => rmSync(dataDir, { recursive: true, force: true }));

  it("one by one: a sync for each, also after a restart; 64 at once: few", async (context) => {
    const port = await freePort();
    let server = await spawnServer({ dataDir, port });
    await login(server, "Jerry");
    const before = await syncsDuring(server, sendOneByOne);
    expect(before).toBeGreaterThanOrEqual(SENDS);
    await server.stop();
    // SQLite falls back to fewer syncs when a file is opened again, unless it is told.
    server = await spawnServer({ dataDir, port });
    const after = await syncsDuring(server, sendOneByOne);
    expect(after).toBeGreaterThanOrEqual(SENDS);
    const together = await syncsDuring(server, sendTogether);
    expect(together).toBeLessThan(TOGETHER * 0.3);
    await server.stop();
    const each = (together / TOGETHER).toFixed(3);
    figure(context, `${SENDS} lone sends: ${before} syncs, after a restart ${after}; 64 at once: ${each} a message`);
  });

  /** Counts the syncs of a server while something happens. */
  async function syncsDuring(server: ProcessServer, work: (tom: TestUser) => Promise<void>): Promise<number> {
    const tom = await login(server, "Tom");
    const log = join(dataDir, "strace.log");
    const args = ["-f", "-e", "trace=fsync,fdatasync", "-o", log, "-p", String(server.process.pid)];
    const tracer = spawn("/usr/bin/strace", args, { stdio: ["ignore", "ignore", "pipe"] });
    // It says so once it has attached.
    await once(tracer.stderr, "data");
    await work(tom);
    tracer.kill("SIGINT");
    await once(tracer, "exit");
    return readFileSync(log, "utf8")
      .split("\n")
      .filter((line) => /\b(fsync|fdatasync)\(/.test(line)).length;
  }

  async function sendOneByOne(tom: TestUser) {
    for (let i = 0; i < SENDS; i++) await send(tom);
  }

  async function sendTogether(tom: TestUser) {
    for (let i = 0; i < 20; i++) await Promise.all(Array.from({ length: 64 }, () => send(tom)));
  }

  const send = (tom: TestUser) =>
    tom.rpc.message.sendMessage({
      receiver: { peer: { case: "userId", value: "Jerry" } },
      content: { content: { case: "text", value: { text: "synced" } } },
    });
});
