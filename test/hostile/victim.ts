import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import http from "node:http";
import { expect } from "vitest";
import { type ServerProcess, startProcess } from "../conformance/process.js";
import { eventually, newUser, type TestUser } from "../support/index.js";
import { sized } from "../support/proofs/tier.js";

const MIB = 1024 * 1024;
// Linux counts a process's time in hundredths of a second.
const TICKS_PER_SECOND = 100;

/** The program under attack, in a process of its own and with its default settings, beside users who have done nothing wrong. */
export interface Victim extends ServerProcess {
  tom: TestUser;
  jerry: TestUser;
  rssMib(): number;
  cpuSeconds(): number;
  /** The sockets it holds open. */
  sockets(): number;
  /** The sum of a metric over its labels. */
  metric(name: string): Promise<number>;
}

export async function startVictim(env: Record<string, string> = {}): Promise<Victim> {
  const server = await startProcess(env);
  const { pid } = server.program;
  return {
    ...server,
    tom: await newUser(server, "tom"),
    jerry: await newUser(server, "jerry"),
    rssMib: () => (Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) * 1024) / MIB,
    cpuSeconds() {
      const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
      return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
    },
    sockets: () => readdirSync(`/proc/${pid}/fd`).filter((fd) => isSocket(`/proc/${pid}/fd/${fd}`)).length,
    async metric(name) {
      const text = await (await fetch(`${server.url}/metrics`, { headers: { connection: "close" } })).text();
      const values = text.split("\n").filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `));
      return values.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" "))), 0);
    },
  };
}

function isSocket(path: string): boolean {
  try {
    return readlinkSync(path).startsWith("socket:");
  } catch {
    return false;
  }
}

/** What happened beside an attack, and what the attack cost. */
export interface Beside<T> {
  /** Of the last attack. */
  result: T;
  attacks: number;
  /** Sends of the healthy user that were answered with OK; every other answer fails the test. */
  served: number;
  slowestMs: number;
  rssGrowthMib: number;
  cpuSeconds: number;
}

// Many attacks are over before a healthy user could notice, so they are repeated until it had the chance.
const LEAST_SERVED = sized(3, 20);

/** Attacks, again and again, while a healthy user goes on sending; then waits until nothing of the attacks is left. */
export async function beside<T>(
  victim: Victim,
  attack: () => Promise<T>,
  // Connections that the attacker's own client keeps for its next call.
  { kept = 0 } = {},
): Promise<Beside<T>> {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  const send = () => sendText(victim, agent);
  expect(await send()).toBe(200);
  const [sockets, rss, cpu] = [victim.sockets(), victim.rssMib(), victim.cpuSeconds()];
  let [over, served, slowestMs, mostRss, attacks] = [false, 0, 0, rss, 0];
  const healthy = (async () => {
    while (!over) {
      const began = performance.now();
      expect(await send(), "a healthy user beside the attack").toBe(200);
      slowestMs = Math.max(slowestMs, performance.now() - began);
      served += 1;
      mostRss = Math.max(mostRss, victim.rssMib());
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  })();
  try {
    const attackOnce = async (): Promise<T> => {
      attacks += 1;
      return await Promise.race([attack(), healthy.then(() => undefined as never)]);
    };
    let result = await attackOnce();
    while (served < LEAST_SERVED) result = await attackOnce();
    over = true;
    await healthy;
    await eventually(
      () => expect(victim.sockets(), "sockets left by the attack").toBeLessThanOrEqual(sockets + kept),
      15_000,
    );
    const cpuSeconds = victim.cpuSeconds() - cpu;
    expect(victim.program.running(), victim.program.stderr()).toBe(true);
    return { result, attacks, served, slowestMs: Math.round(slowestMs), rssGrowthMib: mostRss - rss, cpuSeconds };
  } finally {
    over = true;
    agent.destroy();
  }
}

function sendText({ url, tom, jerry }: Victim, agent: http.Agent): Promise<number | undefined> {
  const body = JSON.stringify({ receiver: { userId: jerry.userId }, content: { text: { text: "hello" } } });
  const headers = { "content-type": "application/json", authorization: `Bearer ${tom.token}` };
  return new Promise((resolve, reject) => {
    const path = `${url}/parley.v1.MessageService/SendMessage`;
    http
      .request(path, { agent, method: "POST", headers, timeout: 15_000 }, (response) =>
        response.resume().on("end", () => resolve(response.statusCode)),
      )
      .on("timeout", function (this: http.ClientRequest) {
        this.destroy(new Error("a healthy user got no answer"));
      })
      .on("error", reject)
      .end(body);
  });
}

/** What a healthy user saw, for the figures. */
export function seen({ served, slowestMs, rssGrowthMib, cpuSeconds }: Beside<unknown>): string {
  return `${served} of ${served} sends beside it served (slowest ${slowestMs} ms), RSS +${Math.max(0, Math.round(rssGrowthMib))} MiB, ${cpuSeconds.toFixed(1)} s CPU`;
}
