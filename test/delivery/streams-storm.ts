import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { createClient } from "@parley/client";
import { expect, type TestContext } from "vitest";
import { type Crowd, comeBack, makeCrowd, openAll } from "../support/crowd.js";
import { backend, eventually, login, withToken } from "../support/index.js";
import { count, must, text, textOf, toEveryone } from "../support/messaging.js";
import { figuresOf, mib } from "../support/process-figures.js";
import { freePort, type ProcessServer, spawnServer } from "../support/process-server.js";
import { figure } from "../support/proofs/figure.js";
import { sized } from "../support/proofs/tier.js";
import { TEMP_PARENT } from "../support/temp-parent.js";

// The first tier runs beside other suites, by whose work the server takes itself for busy.
const ALL_BACK_MS = sized(120_000, 35_000);
const SLOWEST_MS = sized(20_000, 5_000);

/** Kills a server under many streams, starts it again, and lets all come back as the SDK does, while messages go on. */
export async function storm(context: TestContext, sizes: { streams: number; sdks: number }): Promise<void> {
  const dataDir = mkdtempSync(join(TEMP_PARENT, "parley-storm-"));
  const port = await freePort();
  let server = await spawnServer({ dataDir, port });
  const sdks = await Promise.all(count(sizes.sdks).map((at) => startSdk(server, `sdk-${at}`)));
  const prober = await login(server, "prober");
  const crowd = await makeCrowd(server, sizes.streams);
  try {
    await openAll(crowd);
    const everyone = count(5).map(String);
    for (const words of everyone) await tellEveryone(server, words);
    await allHave(crowd, everyone);
    await server.kill();
    await Promise.all(crowd.members.map((member) => member.ended));
    server = await spawnServer({ dataDir, port });
    const began = performance.now();
    const back = Promise.all(crowd.members.map(comeBack));
    let over = false;
    const probing = probe(withToken(server, prober.token), () => over);
    // Awaited below, and of no interest when anything before that fails.
    probing.catch(() => undefined);
    for (const at of count(5)) {
      everyone.push(String(5 + at));
      await tellEveryone(server, String(5 + at));
      await delay(100);
    }
    const requests = (await back).flat();
    const allBackMs = performance.now() - began;
    over = true;
    const slowestProbe = Math.max(...(await probing));
    const { peakBytes, cpuSeconds } = figuresOf(must(server.process.pid));
    everyone.push("last");
    await tellEveryone(server, "last");
    await allHave(crowd, everyone);
    for (const { seen } of sdks) await eventually(() => expect(seen).toEqual(everyone), 60_000);
    for (const member of crowd.members) expect(member.resyncs).toBe(0);
    const slowest = Math.max(...requests.map(({ ms }) => ms));
    const refused = requests.filter(({ ok }) => !ok).length;
    figure(
      context,
      `${sizes.streams} streams and ${sizes.sdks} SDK clients back in ${(allBackMs / 1000).toFixed(1)} s of a restart, ` +
        `slowest Subscribe ${Math.round(slowest)} ms, slowest other call ${Math.round(slowestProbe)} ms, ${refused} tries put off, ` +
        `server ${cpuSeconds.toFixed(1)} s CPU and ${mib(peakBytes)}; 0 of ${everyone.length * sizes.streams} deliveries doubled or lost`,
    );
    expect(allBackMs).toBeLessThan(ALL_BACK_MS);
    expect(slowest).toBeLessThan(SLOWEST_MS);
    expect(slowestProbe).toBeLessThan(SLOWEST_MS);
  } finally {
    crowd.close();
    for (const { client } of sdks) await client.close();
    await server.kill();
    rmSync(dataDir, { recursive: true, force: true });
  }
}

async function probe(rpc: ReturnType<typeof withToken>, isOver: () => boolean): Promise<number[]> {
  const times: number[] = [];
  while (!isOver()) {
    const began = performance.now();
    await rpc.auth.listSessions({});
    times.push(performance.now() - began);
    await delay(50);
  }
  return times;
}

async function startSdk({ url: baseUrl, appId, clientKey }: ProcessServer, userId: string) {
  const client = createClient({ baseUrl, appId, clientKey });
  const seen: string[] = [];
  client.on("systemMessage", (message) => void seen.push(textOf(message)));
  await client.login({ bareId: userId });
  await eventually(() => expect(client.state.name).toBe("live"), 60_000);
  return { client, seen };
}

const tellEveryone = (server: ProcessServer, words: string) =>
  backend(server).admin.sendSystemMessage({ receiver: toEveryone, content: text(words) });

async function allHave(crowd: Crowd, texts: readonly string[]): Promise<void> {
  await eventually(() => {
    for (const member of crowd.members) if (member.texts.length < texts.length) throw new Error("not yet");
  }, 60_000);
  for (const member of crowd.members) expect(member.texts).toEqual(texts);
}
