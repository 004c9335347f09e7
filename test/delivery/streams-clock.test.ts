import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { fakeClock } from "../support/fake-clock.js";
import {
  anonymous,
  backend,
  eventually,
  refusal,
  startTestServer,
  subscribe,
  type TestServer,
  type TestUser,
} from "../support/index.js";
import { hs256, jwt } from "../support/jwt.js";
import { count, eventsAfter, millis, newPair, newUsers, say, textsOf, toUser } from "../support/messaging.js";
import { figure } from "../support/proofs/figure.js";
import { sized } from "../support/proofs/tier.js";

const HOUR_MS = 3_600_000;
const YEAR_MS = 365 * 24 * HOUR_MS;
const MINUTE_MS = 60_000;
const LANES = 4;
const EACH = sized(5, 100);

const clock = fakeClock();
let server: TestServer;
beforeAll(async () => {
  server = await startTestServer({ clock });
});
afterAll(() => server.close());

/** Lets retention, which runs every minute, run a few times. In small steps: a run that seems long is followed by a long pause. */
async function passMinutes(own = clock): Promise<void> {
  for (const _ of count((3 * MINUTE_MS) / 1000)) {
    own.advance(1000);
    for (const _ of count(3)) await new Promise((resolve) => setImmediate(resolve));
  }
}

/** The whole conversation with a user, as its owner reads it. */
async function historyOf(user: TestUser, peer: string) {
  const found: { seq: number; ms: number; text: string }[] = [];
  for (;;) {
    const { messages } = await user.rpc.history.listMessages({
      peer: toUser(peer),
      position: { case: "afterSeq", value: found.length },
      pageSize: 100,
    });
    if (messages.length === 0) return found;
    for (const { seq, createTime, content } of messages)
      found.push({
        seq,
        ms: millis(createTime),
        text: content?.content.case === "text" ? content.content.value.text : "",
      });
  }
}

describe("S15: somebody sets the clock", () => {
  it("ahead by a year, back by one, back by an hour, under load: order, retention, sessions and timers hold", async (context) => {
    const [tom, jerry] = await newPair(server);
    const { cursor } = await jerry.rpc.message.listEvents({});
    const stream = await subscribe(jerry);
    // By the backend: the user's own token expires by its rule when a year has passed.
    const sender: TestUser = { ...tom, rpc: { ...tom.rpc, ...backend(server).as(tom.userId) } };
    await passMinutes();
    let sent = 0;
    let heartbeats = 0;
    const load = async () => {
      await Promise.all(
        count(LANES).map(async () => {
          for (const _ of count(EACH)) await say(sender, toUser(jerry.userId), String(++sent));
        }),
      );
    };
    for (const leapMs of [YEAR_MS, -YEAR_MS, -HOUR_MS]) {
      const right = clock.now();
      const under = load();
      clock.setWall(right + leapMs);
      await under;
      await load();
      await passMinutes();
      const before = stream.frames.filter(({ case: name }) => name === "heartbeat").length;
      for (const _ of count(25)) clock.advance(1000);
      await eventually(() => {
        heartbeats = stream.frames.filter(({ case: name }) => name === "heartbeat").length;
        expect(heartbeats).toBeGreaterThan(before);
      });
      // Only what is a year ahead is past the life of a session; and that is not made to last.
      const call = jerry.rpc.auth.listSessions({});
      if (leapMs === YEAR_MS) expect((await refusal(call)).reason).toBe("SESSION_REVOKED");
      else await call;
      clock.setWall(right + 4 * MINUTE_MS);
      await load();
      await passMinutes();
      for (const user of [tom, jerry]) expect((await user.rpc.auth.listSessions({})).sessions).toHaveLength(1);
    }
    const history = await historyOf(jerry, tom.userId);
    expect(history.map(({ seq }) => seq)).toEqual(count(sent));
    for (const [at, { ms }] of history.entries()) expect(ms).toBeGreaterThanOrEqual(history[at - 1]?.ms ?? 0);
    const texts = history.map(({ text }) => text);
    expect(textsOf((await eventsAfter(jerry.rpc, cursor)).events)).toEqual(texts);
    await eventually(() => expect(textsOf(stream.events())).toEqual(texts));
    expect(stream.frames.map(({ case: name }) => name)).not.toContain("goodbye");
    figure(
      context,
      `3 leaps under load: ${history.length} of ${sent} messages kept in order, 0 sessions ended, ${heartbeats} heartbeats on time`,
    );
    await stream.close();
  });

  it("what is sent while it is two years behind is not taken for old when it is right again", async (context) => {
    const own = fakeClock();
    const place = await startTestServer({ clock: own });
    const [tom, jerry, spike] = (await newUsers(place, ["tom", "jerry", "spike"])) as [TestUser, TestUser, TestUser];
    await say(tom, toUser(jerry.userId), "before");
    await passMinutes(own);
    own.setWall(own.now() - 2 * YEAR_MS);
    await say(tom, toUser(jerry.userId), "in a conversation that was");
    await say(tom, toUser(spike.userId), "in a new one");
    await passMinutes(own);
    own.setWall(own.now() + 2 * YEAR_MS);
    await passMinutes(own);
    const kept = [...(await historyOf(jerry, tom.userId)), ...(await historyOf(spike, tom.userId))];
    figure(context, `${3 - kept.length} of 3 messages of a wrong time lost when it was righted`);
    expect(kept.map(({ text }) => text)).toEqual(["before", "in a conversation that was", "in a new one"]);
    await place.close();
  });

  it("signed tokens of a backend whose clock is up to 60 s off are good", async (context) => {
    const secret = "0123456789abcdef0123456789abcdef";
    await backend(server).admin.setTokenKeys({ keys: [{ key: { case: "hs256Secret", value: secret } }] });
    const loginAt = (offSeconds: number) => {
      const iat = Math.floor(clock.now() / 1000) + offSeconds;
      const token = jwt({ alg: "HS256" }, { sub: "vouched", aud: server.appId, iat, exp: iat + 300 }, hs256(secret));
      return anonymous(server).auth.login({
        appId: server.appId,
        clientKey: server.clientKey,
        credential: { case: "signedToken", value: { token } },
      });
    };
    for (const off of [-60, -30, 0, 30, 60]) await loginAt(off);
    expect((await refusal(loginAt(62))).reason).toBe("WRONG_CREDENTIAL");
    figure(context, "a backend's clock 60 s off either way is tolerated, 62 s ahead is not");
  });
});
