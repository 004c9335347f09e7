import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import Database from "better-sqlite3";
import { afterAll, describe, expect, it } from "vitest";
import { login } from "../support/index.js";
import { freePort, spawnServer } from "../support/process-server.js";
import { figure } from "../support/proofs/figure.js";
import { TEMP_PARENT } from "../support/temp-parent.js";

const main = fileURLToPath(new URL("../../server/bin/parley.js", import.meta.url));

const held = join(mkdtempSync(join(TEMP_PARENT, "parley-held-")), "data");
afterAll(() => rmSync(dirname(held), { recursive: true, force: true }));

/** Starts a server that is expected to end, and gives what became of it. */
async function failingStart(dataDir: string): Promise<{ code: number | null; said: string }> {
  const server = spawn(process.execPath, [main, "serve", "--port", "0"], {
    env: { ...process.env, PARLEY_DATA_DIR: dataDir },
    stdio: ["ignore", "ignore", "pipe"],
  });
  let said = "";
  server.stderr.setEncoding("utf8").on("data", (text: string) => {
    said += text;
  });
  const [code] = (await once(server, "exit")) as [number | null];
  return { code, said };
}

describe("a start while another program holds the database", () => {
  it("waits for it, and ends with 73 when it takes long", async () => {
    const port = await freePort();
    await (await spawnServer({ dataDir: held, port })).stop();
    const holder = new Database(join(held, "parley.db"));
    holder.exec("begin immediate");
    expect(await failingStart(held)).toEqual({ code: 73, said: expect.stringContaining("another program holds") });
    const late = spawnServer({ dataDir: held, port });
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    holder.close();
    expect(await (await late).stop()).toBe(0);
  });
});

describe("D9: a second server on the same folder", () => {
  it("ends with 73 and says why, and the first one is unharmed", async (context) => {
    const dataDir = mkdtempSync(join(TEMP_PARENT, "parley-folder-"));
    const first = await spawnServer({ dataDir, port: await freePort() });
    const began = performance.now();
    const { code, said } = await failingStart(dataDir);
    const seconds = (performance.now() - began) / 1000;
    expect(code).toBe(73);
    expect(said).toMatch(/another server uses this data folder/);
    const { userId } = await login(first, "Tom");
    expect(userId).toBe("Tom");
    expect(await first.stop()).toBe(0);
    figure(context, `exit ${code} after ${seconds.toFixed(1)} s`);
    rmSync(dataDir, { recursive: true, force: true });
  });
});
