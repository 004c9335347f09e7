import { createClient, memoryStore, type Platform } from "@parley/client";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { fakeClock } from "../support/fake-clock.js";
import { eventually, newUser, startTestServer, subscribe } from "../support/index.js";
import { type JitteryServer, startJitteryServer } from "../support/jittery-server.js";
import { must, newDevice, say, says, toUser } from "../support/messaging.js";
import { figure } from "../support/proofs/figure.js";
import { seed, sized } from "../support/proofs/tier.js";
import { newPhone, pushesTo, scriptedSender, type TestPhone } from "../support/push.js";
import { random } from "../support/random.js";

const RACES = sized(60, 1_000);
/** The provider's answers come this many turns after they were asked for, at most. */
const TURNS = 12;

const turns = async (count: number) => {
  for (let left = count; left > 0; left--) await new Promise((resolve) => setImmediate(resolve));
};

describe("S17: a logout while pushes are on their way", () => {
  const from = seed();
  const draw = random(from);
  const sender = scriptedSender();
  let server: JitteryServer;
  /** The tokens whose phones were told that they are logged out, and what was handed over for them since. */
  const out = new Set<string>();
  const late: string[] = [];
  let handed = 0;
  beforeAll(async () => {
    server = await startJitteryServer({ turns: () => draw(4), pushSender: sender });
    sender.answer = async ({ target }) => {
      handed += 1;
      if (out.has(target.token)) late.push(target.token);
      await turns(draw(TURNS));
      // What a sender does between being asked and its provider: also that must be over.
      if (out.has(target.token)) late.push(target.token);
      return { kind: "sent" };
    };
  });
  afterAll(() => server.close());

  const ways: Record<string, (phone: TestPhone) => Promise<unknown>> = {
    "its logout": (phone) => phone.rpc.auth.logout({}),
    "its revocation": async (phone) => {
      const { auth } = (await newDevice(server, phone)).rpc;
      await auth.revokeSession({ sessionId: phone.sessionId });
    },
    "its removal": (phone) => phone.rpc.installation.removeInstallation({ installationId: phone.installationId }),
    "a login of another user there": ({ installationId }) =>
      newPhone(server, undefined, { installationId, pushProvider: 0, pushToken: "" }),
    "a change of its token": ({ rpc, installationId }) =>
      rpc.installation.registerInstallation({ installation: { installationId } }),
  };

  it(
    `nothing is handed over for a phone after the answer (seed ${from})`,
    async (context) => {
      const tom = await newUser(server);
      const names = Object.keys(ways);
      let before = 0;
      for (let at = 0; at < RACES; at++) {
        const phone = await newPhone(server);
        const end = must(ways[must(names[at % names.length])]);
        const said = [say(tom, toUser(phone.userId), "one"), say(tom, toUser(phone.userId), "two")];
        // From before it is stored until after it was handed over.
        if (at % 3 > 0) await must(said[0]);
        await turns(draw(120));
        await end(phone);
        out.add(phone.pushToken);
        before += sender.to(phone.pushToken).length;
        await Promise.all([...said, say(tom, toUser(phone.userId), "three")]);
      }
      // Everything that was said has been decided by the time that somebody after it is pushed.
      const marker = await newPhone(server);
      await say(tom, toUser(marker.userId), "mark");
      await pushesTo(sender, marker);
      await turns(100);
      expect(late).toEqual([]);
      // It is a race only if some were in time and others were not.
      expect(before).toBeGreaterThan(0);
      expect(before).toBeLessThan(RACES * 2);
      figure(context, `${RACES} raced ends of 5 kinds, ${handed} pushes handed over: 0 after the answer`);
    },
    sized(120_000, 1_200_000),
  );
});

describe("S17: whose token a device has", () => {
  it("a logout that is heard later, after a restart of the app too, ends its pushes then; the next user's are never hers", async (context) => {
    const sender = scriptedSender();
    const server = await startTestServer({ pushSender: sender });
    const store = memoryStore();
    const phone = { installationId: "shared-phone", pushProvider: 1, pushToken: "0a0b0c" };
    let offline = true;
    const { nodePlatform } = await import("@parley/client/node");
    const plain = nodePlatform();
    const platform: Platform = {
      ...plain,
      createTransport: (url, interceptors) =>
        plain.createTransport(url, [
          ...interceptors,
          (next) => (request) =>
            offline && request.method.name === "Logout" ? Promise.reject(new TypeError("no network")) : next(request),
        ]),
    };
    const make = () => createClient({ ...server, baseUrl: server.url, store, platform, installation: phone });
    const first = make();
    const [tom, jerry, sayer] = ["tom", "jerry", "sayer"].map((name) => `${name}-s17`) as [string, string, string];
    const speaker = await newUser(server, sayer);
    await first.login({ bareId: tom });
    await first.pause();
    await expect(first.logout()).rejects.toMatchObject({ reason: "UNREACHABLE" });
    await first.close();
    // The server does not know yet.
    await say(speaker, toUser(tom), "before it is heard");
    await pushesTo(sender, phone);
    offline = false;
    const second = make();
    await eventually(async () =>
      expect(await store.keys("parley")).not.toContainEqual(expect.stringContaining("logout/")),
    );
    await say(speaker, toUser(tom), "to tom, after it was heard");
    await second.login({ bareId: jerry });
    await second.pause();
    await say(speaker, toUser(tom), "to tom");
    await say(speaker, toUser(jerry), "to jerry");
    await eventually(() => expect(sender.to(phone.pushToken)).toHaveLength(2));
    const marker = await newPhone(server);
    await say(speaker, toUser(marker.userId), "mark");
    await pushesTo(sender, marker);
    expect(sender.to(phone.pushToken).map(({ body }) => body)).toEqual(["before it is heard", "to jerry"]);
    await second.close();
    await server.close();
    figure(context, "a logout heard after a restart, another user on the same token: each push to whom it was for");
  });

  it("a provider that hangs holds a logout up for 3 s, no longer", async () => {
    const sender = scriptedSender();
    const server = await startTestServer({ pushSender: sender });
    let answer = (_: { kind: "sent" }) => {};
    sender.answer = () => new Promise((resolve) => (answer = resolve));
    const phone = await newPhone(server);
    await say(await newUser(server), toUser(phone.userId), "hello");
    await pushesTo(sender, phone);
    const beganMs = performance.now();
    await phone.rpc.auth.logout({});
    expect(performance.now() - beganMs).toBeGreaterThan(2_500);
    expect(performance.now() - beganMs).toBeLessThan(6_000);
    answer({ kind: "sent" });
    await server.close();
  });
});

describe("S19: who comes back around the hand-over", () => {
  const from = seed();
  const draw = random(from);
  const clock = fakeClock();
  const sender = scriptedSender();
  let server: JitteryServer;
  beforeAll(async () => {
    server = await startJitteryServer({ turns: () => draw(4), pushSender: sender, clock });
  });
  afterAll(() => server.close());

  it(
    `and had acknowledged by then is not pushed (seed ${from})`,
    async (context) => {
      const tom = await newUser(server);
      /** The phones whose acknowledgement was answered. */
      const acked = new Set<string>();
      const wrong: string[] = [];
      sender.answer = ({ target, push }) => {
        if (acked.has(target.token) && push.body === "hello") wrong.push(target.token);
        return { kind: "sent" };
      };
      let pushed = 0;
      for (let at = 0; at < RACES; at++) {
        const phone = await newPhone(server);
        const { cursor: start } = await phone.rpc.message.listEvents({});
        const saying = say(tom, toUser(phone.userId), "hello");
        await turns(draw(60));
        // It comes back by a stream, or by a call alone.
        const back = async () => {
          if (at % 2 === 0) {
            const stream = await subscribe(phone, { cursor: start });
            const { cursor } = await stream.event(says("hello"));
            await phone.rpc.message.ackEvents({ cursor });
            acked.add(phone.pushToken);
            await stream.close();
          } else {
            await saying;
            const { cursor } = await phone.rpc.message.listEvents({ cursor: start });
            await phone.rpc.message.ackEvents({ cursor });
            acked.add(phone.pushToken);
          }
        };
        await Promise.all([back(), saying]);
        // What is known of it moves from memory to the store meanwhile.
        if (at % 3 === 0) clock.advance(5_000);
        await turns(draw(20));
        pushed += sender.to(phone.pushToken).length;
      }
      const marker = await newPhone(server);
      await say(tom, toUser(marker.userId), "mark");
      await pushesTo(sender, marker);
      expect(wrong).toEqual([]);
      expect(pushed).toBeGreaterThan(0);
      expect(pushed).toBeLessThan(RACES);
      figure(
        context,
        `${RACES} users came back around the hand-over, ${pushed} of them were pushed: 0 of those who had acknowledged`,
      );
    },
    sized(120_000, 1_200_000),
  );
});
