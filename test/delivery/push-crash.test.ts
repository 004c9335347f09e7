import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { type Address, eventually, login, testSettings } from "../support/index.js";
import { count, must, toUser } from "../support/messaging.js";
import { serverModule } from "../support/one-file.js";
import { figure } from "../support/proofs/figure.js";
import { sized } from "../support/proofs/tier.js";
import { newPhone, type TestPhone } from "../support/push.js";
import { tempFolder } from "../support/temp-store.js";

const PHONES = 5;
const MESSAGES = sized(4, 60);
const program = fileURLToPath(new URL("push-server.mjs", import.meta.url));

interface Shown {
  token: string;
  pushId: string;
  collapseId: string;
  body: string;
}

it(
  "S18: a server that is killed around hand-overs loses no push, and repeats one only under the same ids",
  async (context) => {
    const folder = tempFolder();
    const log = join(folder.path, "handed.jsonl");
    const settings = JSON.stringify(testSettings(folder.path));
    let [starts, child, address] = [0, undefined as ChildProcess | undefined, undefined as Address | undefined];
    const isDead = () => child === undefined || child.exitCode !== null || child.signalCode !== null;

    /** Starts it again whenever it has died; some starts live only until the first hand-over. */
    async function alive(): Promise<Address> {
      while (isDead()) {
        starts += 1;
        // The first makes the users in peace.
        child = fork(program, [settings, log, starts === 1 ? "1000000" : "4", serverModule]);
        const ready = once(child, "message") as Promise<[Address]>;
        address = (await Promise.race([ready, once(child, "exit").then(() => [])]))[0];
      }
      return must(address);
    }
    async function insist<T>(work: (at: Address) => Promise<T>): Promise<T> {
      return await eventually(async () => await work(await alive()), 60_000);
    }

    const phones: TestPhone[] = [];
    for (const at of count(PHONES)) phones.push(await newPhone(await alive(), `phone-${at}`));
    await login(await alive(), "tom");
    child?.kill("SIGKILL");
    await once(must(child), "exit");
    for (const at of count(MESSAGES))
      for (const { userId } of phones)
        await insist(async (server) => {
          // The session before died with its server as far as this test knows; the key makes it one message.
          const tom = await login(server, "tom");
          const content = { content: { case: "text" as const, value: { text: `${userId} ${at}` } } };
          await tom.rpc.message.sendMessage({ receiver: toUser(userId), content, clientMessageId: `${userId}-${at}` });
        });
    const handed = (): Shown[] =>
      existsSync(log)
        ? readFileSync(log, "utf8")
            .split("\n")
            .filter((line) => line !== "")
            .map((line) => JSON.parse(line) as Shown)
        : [];
    await eventually(async () => {
      await alive();
      expect(new Set(handed().map(({ body }) => body)).size).toBe(PHONES * MESSAGES);
    }, 60_000);
    child?.kill("SIGKILL");
    const ids = new Map<string, Set<string>>();
    for (const { token, body, pushId, collapseId } of handed()) {
      expect(token).toBe(must(phones.find(({ userId }) => body.startsWith(`${userId} `))).pushToken);
      ids.set(body, (ids.get(body) ?? new Set()).add(`${pushId} ${collapseId}`));
    }
    expect([...ids.values()].filter((one) => one.size > 1)).toEqual([]);
    expect(new Set([...ids.values()].flatMap((one) => [...one])).size).toBe(PHONES * MESSAGES);
    // The first start kills nothing; of the others each but the last ended by itself.
    const kills = starts - 2;
    const repeats = handed().length - PHONES * MESSAGES;
    expect(kills).toBeGreaterThan(0);
    expect(repeats).toBeLessThanOrEqual(kills * 100);
    figure(
      context,
      `${PHONES * MESSAGES} pushes over ${kills} kills around hand-overs: 0 lost, ${repeats} repeats, each under its own ids`,
    );
    folder[Symbol.dispose]();
  },
  sized(120_000, 900_000),
);
