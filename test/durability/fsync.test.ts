import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { login, type TestUser } from "../support/index.js";
import { freePort, type ProcessServer, spawnServer } from "../support/process-server.js";

const SENDS = 200;
const strace = existsSync("/usr/bin/strace");
if (!strace) {
  if (process.env.PARLEY_REQUIRE_ALL === "1") throw new Error("strace is missing: apt-get install strace");
  console.warn("skipped D4, which wants strace: apt-get install strace");
}

describe.skipIf(!strace)("D4: every acknowledged send was synced", () => {
  const dataDir = mkdtempSync(join(tmpdir(), "parley-fsync-"));
  afterAll(() => rmSync(dataDir, { recursive: true, force: true }));

  it("one by one: a sync for each, also after a restart; 64 at once: few", async () => {
    const port = await freePort();
    let server = await spawnServer({ dataDir, port });
    await login(server, "Jerry");
    expect(await syncsDuring(server, sendOneByOne)).toBeGreaterThanOrEqual(SENDS);
    await server.stop();
    // SQLite falls back to fewer syncs when a file is opened again, unless it is told.
    server = await spawnServer({ dataDir, port });
    expect(await syncsDuring(server, sendOneByOne)).toBeGreaterThanOrEqual(SENDS);
    expect(await syncsDuring(server, sendTogether)).toBeLessThan(64 * 20 * 0.3);
    await server.stop();
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
