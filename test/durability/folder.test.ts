import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { login } from "../support/index.js";
import { freePort, spawnServer } from "../support/process-server.js";
import { figure } from "../support/proofs/figure.js";

const main = fileURLToPath(new URL("../../server/bin/parley.js", import.meta.url));

describe("D9: a second server on the same folder", () => {
  it("ends with 73 and says why, and the first one is unharmed", async (context) => {
    const dataDir = mkdtempSync(join(tmpdir(), "parley-folder-"));
    const first = await spawnServer({ dataDir, port: await freePort() });
    const began = performance.now();
    const second = spawn(process.execPath, [main, "serve", "--port", "0"], {
      env: { ...process.env, PARLEY_DATA_DIR: dataDir },
      stdio: ["ignore", "ignore", "pipe"],
    });
    let said = "";
    second.stderr.setEncoding("utf8").on("data", (text: string) => {
      said += text;
    });
    const [code] = await once(second, "exit");
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
