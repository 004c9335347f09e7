import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { fakeClock } from "../support/fake-clock.js";
import {
  backend,
  eventually,
  newUser,
  startTestServer,
  subscribe,
  type TestServer,
  type TestStream,
  type TestUser,
} from "../support/index.js";
import { must, say, says, toUser } from "../support/messaging.js";
import { figure } from "../support/proofs/figure.js";
import { seed, sized } from "../support/proofs/tier.js";
import { newPhone, pushesTo, scriptedSender, type TestPhone } from "../support/push.js";
import { random } from "../support/random.js";

const SEQUENCES = sized(60, 1_000);
const STEPS = 10;
const AWAIT_MS = 3_000;
const GRACE_MS = 10_000;
const WAITS = [37, 1_013, 2_999, 4_007, 9_001];

const clock = fakeClock(Date.now());
const sender = scriptedSender();
let server: TestServer;
let sayer: TestUser;
let marker: TestPhone;
beforeAll(async () => {
  server = await startTestServer({ clock, pushSender: sender });
  [sayer, marker] = [await newUser(server), await newPhone(server)];
});
afterAll(() => server.close());

/** One phone of the user, as the test drives it, with what the model knows of it. */
interface Device {
  phone: TestPhone;
  stream: TestStream | undefined;
  loggedIn: boolean;
  /** Until when it is taken for here after its stream was lost. */
  lostUntilMs: number;
  /** The logins so far: an acknowledgement is of one of them. */
  login: number;
}

/** A message for which somebody who is here has a moment. */
interface Pending {
  words: string;
  dueMs: number;
  acked: { device: Device; login: number }[];
}

let marks = 0;
/** Everything that was said, and whose moment is over, has been decided and handed over. */
async function settled(): Promise<void> {
  marks += 1;
  await say(sayer, toUser(marker.userId), String(marks));
  await pushesTo(sender, marker, marks);
}

async function play(draw: (below: number) => number): Promise<{ said: number; pushed: number }> {
  const first = await newPhone(server);
  const devices = [first, await newPhone(server, first.userId)].map(
    (phone): Device => ({ phone, stream: undefined, loggedIn: true, lostUntilMs: 0, login: 1 }),
  );
  const { userId } = first;
  let pending: Pending[] = [];
  const expected = new Map<string, string[]>(devices.map(({ phone }) => [phone.pushToken, []]));
  const steps: string[] = [];
  let said = 0;

  const isHere = ({ stream, lostUntilMs }: Device) => stream !== undefined || lostUntilMs > clock.mono();
  const pushAll = (words: string) => {
    for (const { phone, loggedIn } of devices) if (loggedIn) expected.get(phone.pushToken)?.push(words);
  };
  const passMoments = () => {
    for (const { words, dueMs, acked } of pending)
      if (dueMs <= clock.mono() && !acked.some(({ device, login }) => device.loggedIn && device.login === login))
        pushAll(words);
    pending = pending.filter(({ dueMs }) => dueMs > clock.mono());
  };
  const wait = async (ms: number) => {
    for (const { phone, stream } of devices) if (stream !== undefined) await phone.rpc.message.ackEvents({});
    const untilMs = clock.mono() + ms;
    // Moment by moment: a word that comes while two are over is no later than both.
    for (const dueMs of [...pending.map((one) => one.dueMs), untilMs].sort((a, b) => a - b)) {
      if (dueMs > untilMs) break;
      clock.advance(dueMs - clock.mono());
      passMoments();
      await settled();
    }
  };

  const does: Record<string, (device: Device) => Promise<void>> = {
    async resume(device) {
      const before = device.stream;
      device.stream = await subscribe(device.phone);
      await before?.ended;
      await device.phone.rpc.message.ackEvents({});
    },
    async pause(device) {
      await device.phone.rpc.message.pauseSession({});
      await device.stream?.ended;
      Object.assign(device, { stream: undefined, lostUntilMs: 0 });
    },
    async lose(device) {
      if (device.stream === undefined) return;
      await device.stream.close();
      await eventually(async () => {
        const { sessions } = await device.phone.rpc.auth.listSessions({});
        expect(must(sessions.find((session) => session.current)).online).toBe(false);
      });
      Object.assign(device, { stream: undefined, lostUntilMs: clock.mono() + GRACE_MS });
    },
    async logout(device) {
      await device.phone.rpc.auth.logout({});
      await device.stream?.ended;
      Object.assign(device, { stream: undefined, lostUntilMs: 0, loggedIn: false });
    },
    async login(device) {
      const { installationId, pushToken } = device.phone;
      device.phone = await newPhone(server, userId, { installationId, pushToken });
      Object.assign(device, { loggedIn: true, login: device.login + 1 });
      // Whoever logs in reads what there is.
      for (const one of pending) one.acked.push({ device, login: device.login });
    },
    async say(device) {
      said += 1;
      const words = `${userId} ${said}`;
      await say(sayer, toUser(userId), words);
      await settled();
      if (!devices.some((each) => each.loggedIn && isHere(each))) return pushAll(words);
      const one: Pending = { words, dueMs: clock.mono() + AWAIT_MS, acked: [] };
      pending.push(one);
      if (draw(2) === 0 || device.stream === undefined) return;
      // What it acknowledges, and all before it, it has.
      const { cursor } = await device.stream.event(says(words));
      await device.phone.rpc.message.ackEvents({ cursor });
      for (const each of pending) each.acked.push({ device, login: device.login });
    },
  };

  for (let step = 0; step < STEPS; step++) {
    const at = draw(2);
    const device = must(devices[at]);
    const name = must(["resume", "resume", "pause", "lose", "logout", "say", "say", "say", "wait", "wait"][draw(10)]);
    const ms = must(WAITS[draw(WAITS.length)]);
    const act = name === "wait" || name === "say" || device.loggedIn ? name : "login";
    steps.push(act === "wait" ? `wait ${ms}` : `${act} ${at}`);
    if (act === "wait") await wait(ms);
    else await must(does[act])(device);
    const { presence } = await backend(server).user.getPresence({ userId });
    expect(presence?.online, steps.join(", ")).toBe(devices.some((each) => each.loggedIn && isHere(each)));
  }
  await wait(AWAIT_MS);
  for (const { phone } of devices) {
    const got = sender.to(phone.pushToken).map(({ body }) => body);
    expect(got.sort(), steps.join(", ")).toEqual(expected.get(phone.pushToken)?.sort());
  }
  for (const { stream } of devices) await stream?.close();
  return { said, pushed: [...expected.values()].flat().length };
}

describe("S16: random pause, resume, loss, logout, login and words on two phones", () => {
  const from = seed();

  it(
    `whoever is here, and whoever is pushed, is as a small model says (seed ${from})`,
    async (context) => {
      let [said, pushed] = [0, 0];
      for (let at = 0; at < SEQUENCES; at++) {
        const played = await play(random(from + at));
        said += played.said;
        pushed += played.pushed;
      }
      expect(pushed).toBeGreaterThan(SEQUENCES / 2);
      figure(
        context,
        `${SEQUENCES} sequences: ${said} messages, ${pushed} pushes, presence and push all as the model says`,
      );
    },
    sized(180_000, 1_800_000),
  );
});
