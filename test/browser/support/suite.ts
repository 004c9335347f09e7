import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Browser, chromium } from "playwright-core";
import { afterAll, beforeAll, describe, test } from "vitest";
import { eventually } from "../../support/index.js";

const executablePath = "/usr/bin/chromium-headless-shell";
const root = join(import.meta.dirname, "../../..");
const flags = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** A suite in a browser of its own, on the page as it is built from these sources. */
export function describeInBrowser(name: string, body: (browser: () => Browser) => void): void {
  if (!existsSync(executablePath)) {
    withoutBrowser(name, () => body(() => never()));
    return;
  }
  describe(name, () => {
    let browser: Browser;
    beforeAll(async () => {
      await buildPage();
      browser = await chromium.launch({ executablePath, args: flags });
    });
    afterAll(() => browser.close());
    body(() => browser);
  });
}

function withoutBrowser(name: string, body: () => void): void {
  const advice = "apt-get install -y --no-install-recommends chromium-headless-shell";
  if (process.env.PARLEY_REQUIRE_ALL === "1") {
    test(name, () => Promise.reject(new Error(`needs: ${advice}`)));
    return;
  }
  console.warn(`SKIPPED: ${name}. It needs: ${advice}`);
  describe.skip(name, body);
}

function never(): never {
  throw new Error("there is no browser");
}

/** Builds web/dist when it is older than its sources; suites that start together wait for one another. */
export async function buildPage(): Promise<void> {
  const lock = join(tmpdir(), `parley-build-web-${process.getuid?.() ?? ""}-${root.replaceAll("/", "_")}`);
  await eventually(() => mkdirSync(lock), 30_000).catch(() => undefined);
  try {
    const built = spawnSync(process.execPath, ["scripts/build-web.mjs"], { cwd: root, encoding: "utf8" });
    if (built.status !== 0) throw new Error(`web/dist could not be built: ${built.stdout}${built.stderr}`);
  } finally {
    rmSync(lock, { recursive: true, force: true });
  }
}
