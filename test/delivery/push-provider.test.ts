import { join } from "node:path";
import Database from "better-sqlite3";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { PushOutcome } from "../../server/src/ports.js";
import { type FakeClock, fakeClock } from "../support/fake-clock.js";
import { eventually, newUser, startTestServer, type TestServer, type TestUser } from "../support/index.js";
import { count, metric, must, otherApp, say, toUser } from "../support/messaging.js";
import { figure } from "../support/proofs/figure.js";
import { seed, sized } from "../support/proofs/tier.js";
import { newPhone, newPushToken, pushesTo, type ScriptedSender, scriptedSender } from "../support/push.js";
import { random } from "../support/random.js";

const DAY_MS = 86_400_000;
const PHONES = sized(40, 400);

let clock: FakeClock;
let sender: ScriptedSender;
let server: TestServer;
let tom: TestUser;
beforeEach(async () => {
  clock = fakeClock(Date.now());
  sender = scriptedSender();
  server = await startTestServer({ clock, pushSender: sender, settings: { logLevel: "silent" } });
  tom = await newUser(server);
});
afterEach(() => server.close());

function stored() {
  const store = new Database(join(server.dataDir, "parley.db"), { readonly: true });
  try {
    const jobs = store.prepare("select * from push_job order by pos, installation_id").all() as { run_ms: number }[];
    const counts = store.prepare("select coalesce(sum(sent), 0) sent, coalesce(sum(failed), 0) failed from push_count");
    return { jobs, ...(counts.get() as { sent: number; failed: number }) };
  } finally {
    store.close();
  }
}

/** Lets time pass in steps until no push waits any more; gives how long that took by the server's clock. */
async function drained(stepMs: number): Promise<number> {
  const beganMs = clock.mono();
  await eventually(() => {
    clock.advance(stepMs);
    expect(stored().jobs).toEqual([]);
  }, 30_000);
  return clock.mono() - beganMs;
}

const say1 = async (answer: (tries: number) => PushOutcome, words = "hello") => {
  const phone = await newPhone(server);
  let tries = 0;
  sender.answer = ({ target }) => (target.token === phone.pushToken ? answer(++tries) : { kind: "sent" });
  await say(tom, toUser(phone.userId), words);
  return phone;
};

describe("S18: a provider that misbehaves", () => {
  const from = seed();

  it(`each push ends sent or given up within its budget, and none is lost (seed ${from})`, async (context) => {
    const draw = random(from);
    const kinds: ((tries: number) => PushOutcome)[] = [
      () => ({ kind: "sent" }),
      (tries) => (tries < 4 ? { kind: "later", reason: "500" } : { kind: "sent" }),
      (tries) => (tries < 2 ? { kind: "later", reason: "429", delayMs: 5_000 } : { kind: "sent" }),
      () => ({ kind: "later", reason: "503" }),
      () => ({ kind: "dead_token", reason: "410", sinceMs: clock.now() + DAY_MS }),
      () => ({ kind: "dead_token", reason: "400" }),
      () => ({ kind: "refused", reason: "413" }),
      (tries) => (tries < 3 ? { kind: "later", reason: "no answer" } : { kind: "sent" }),
    ];
    const ends = ["sent", "sent", "sent", "failed", "failed", "failed", "failed", "sent"];
    const scripts = new Map<string, { kind: number; tries: number }>();
    sender.answer = ({ target }) => {
      const script = must(scripts.get(target.token));
      script.tries += 1;
      return must(kinds[script.kind])(script.tries);
    };
    for (const at of count(PHONES)) {
      const phone = await newPhone(server);
      scripts.set(phone.pushToken, { kind: at <= kinds.length ? at - 1 : draw(kinds.length), tries: 0 });
      await say(tom, toUser(phone.userId), "hello");
    }
    // Eight tries and the longest waits between them stay far within a day.
    const tookMs = await drained(500);
    const wanted = { sent: 0, failed: 0 };
    for (const { kind, tries } of scripts.values()) {
      wanted[ends[kind] as "sent" | "failed"] += 1;
      expect(tries, `kind ${kind}`).toBe([1, 4, 2, 8, 1, 1, 1, 3][kind]);
    }
    const { sent, failed } = stored();
    expect({ sent, failed }).toEqual(wanted);
    expect(await metric(server, "parley_pushes_total")).toBeGreaterThan(0);
    expect(tookMs).toBeLessThan(DAY_MS);
    figure(
      context,
      `${PHONES} pushes of ${kinds.length} fates: ${sent} sent, ${failed} given up, 0 lost, in ${Math.round(tookMs / 1000)} s of its clock`,
    );
  }, 120_000);

  it("one that is asked to wait is asked no sooner, and under the same ids", async () => {
    const phone = await say1((tries) =>
      tries === 1 ? { kind: "later", reason: "429", delayMs: 60_000 } : { kind: "sent" },
    );
    await pushesTo(sender, phone);
    await eventually(() => expect(must(stored().jobs[0]).run_ms).toBe(clock.now() + 60_000));
    clock.advance(59_999);
    await say1(() => ({ kind: "sent" })).then((other) => pushesTo(sender, other));
    expect(sender.to(phone.pushToken)).toHaveLength(1);
    clock.advance(1);
    const [first, second] = await pushesTo(sender, phone, 2);
    expect(second).toEqual(first);
  });

  it("a token that is dead is forgotten with all that waits for it, unless the app has told it again since", async () => {
    const phone = await newPhone(server);
    sender.answer = () => ({ kind: "later", reason: "busy", delayMs: 10_000 });
    for (const words of ["one", "two", "three"]) await say(tom, toUser(phone.userId), words);
    await eventually(() => expect(stored().jobs.filter(({ run_ms }) => run_ms > clock.now())).toHaveLength(3));
    // The provider speaks of a time before the app told its token.
    let sinceMs = clock.now() - 1;
    sender.answer = () => ({ kind: "dead_token", reason: "Unregistered", sinceMs });
    clock.advance(10_000);
    await pushesTo(sender, phone, 6);
    await eventually(() => expect(stored().jobs.filter(({ run_ms }) => run_ms > clock.now())).toHaveLength(3));
    expect((await phone.rpc.installation.listInstallations({})).installations).toMatchObject([{ pushProvider: 1 }]);
    sinceMs = clock.now() + 1;
    await drained(1_000);
    expect((await phone.rpc.installation.listInstallations({})).installations).toMatchObject([{ pushProvider: 0 }]);
    const before = sender.to(phone.pushToken).length;
    sender.answer = () => ({ kind: "sent" });
    await say(tom, toUser(phone.userId), "four");
    await say1(() => ({ kind: "sent" })).then((other) => pushesTo(sender, other));
    expect(sender.to(phone.pushToken)).toHaveLength(before);
    // A new one is good again.
    const { installationId } = phone;
    const fresh = { pushToken: newPushToken() };
    await phone.rpc.installation.registerInstallation({ installation: { installationId, pushProvider: 1, ...fresh } });
    await say(tom, toUser(phone.userId), "five");
    await pushesTo(sender, fresh);
  });

  it("a push that can never be taken blocks no other", async () => {
    const phone = await newPhone(server);
    sender.answer = ({ push }) => (push.body === "poison" ? { kind: "refused", reason: "413" } : { kind: "sent" });
    await say(tom, toUser(phone.userId), "poison");
    await say(tom, toUser(phone.userId), "fine");
    await pushesTo(sender, phone, 2);
    await eventually(() => expect(stored()).toMatchObject({ jobs: [], sent: 1, failed: 1 }));
  });

  it("a refused credential holds the app's pushes back for five minutes at a time, and burns none of their tries", async () => {
    const other = await otherApp(server);
    let good = false;
    sender.answer = ({ appId }) =>
      appId !== server.appId || good ? { kind: "sent" } : { kind: "no_credential", reason: "403" };
    const phone = await newPhone(server);
    for (const at of count(20)) await say(tom, toUser(phone.userId), String(at));
    await eventually(() => {
      clock.advance(1_000);
      expect(sender.handed.length).toBeGreaterThanOrEqual(5);
    });
    await eventually(async () => expect(await metric(server, "parley_push_breakers_open")).toBe(1));
    const asked = sender.handed.length;
    // Another app's go on.
    const [jerry, spike] = [await newUser(other), await newPhone(other)];
    await say(jerry, toUser(spike.userId), "hello");
    await pushesTo(sender, spike);
    clock.advance(200_000);
    expect(sender.handed.length).toBe(asked + 1);
    // One is let through to see; then it is closed for as long again.
    await eventually(() => {
      clock.advance(1_000);
      expect(sender.handed.length).toBe(asked + 2);
    });
    clock.advance(200_000);
    expect(sender.handed.length).toBe(asked + 2);
    good = true;
    await drained(1_000);
    expect(stored()).toMatchObject({ sent: 21, failed: 0 });
    expect(await metric(server, "parley_push_breakers_open")).toBe(0);
  });

  it("what finds no provider for a day is given up", async () => {
    await say1(() => ({ kind: "later", reason: "down", delayMs: DAY_MS - 1 }));
    await eventually(() => expect(must(stored().jobs[0]).run_ms).toBeGreaterThan(clock.now()));
    await say1(() => ({ kind: "later", reason: "down", delayMs: DAY_MS }));
    await eventually(() => expect(stored()).toMatchObject({ failed: 1 }));
    expect(stored().jobs).toHaveLength(1);
  });
});

describe("S18: a provider that hangs", () => {
  it("for one app delays another by less than 100 ms, and has no more than 100 pushes in flight", async (context) => {
    const other = await otherApp(server);
    sender.answer = ({ appId }) => (appId === server.appId ? new Promise(() => {}) : { kind: "sent" });
    const phone = await newPhone(server);
    for (const at of count(120)) await say(tom, toUser(phone.userId), String(at));
    await eventually(() => expect(sender.to(phone.pushToken)).toHaveLength(100));
    const [jerry, spike] = [await newUser(other), await newPhone(other)];
    const times: number[] = [];
    for (const at of count(20)) {
      await say(jerry, toUser(spike.userId), String(at));
      const saidMs = performance.now();
      while (sender.to(spike.pushToken).length < at) await new Promise((resolve) => setImmediate(resolve));
      times.push(performance.now() - saidMs);
    }
    times.sort((a, b) => a - b);
    expect(must(times[10])).toBeLessThan(100);
    expect(sender.to(phone.pushToken)).toHaveLength(100);
    figure(
      context,
      `beside 100 pushes that hang, another app's are handed over in ${must(times[10]).toFixed(1)} ms (median of 20)`,
    );
    // What hangs keeps no server from stopping, by its own clock.
    const closing = server.close();
    await eventually(() => clock.advance(1_000));
    const timer = setInterval(() => clock.advance(1_000), 20);
    await closing;
    clearInterval(timer);
    server = await startTestServer();
  });
});
