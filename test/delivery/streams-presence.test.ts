import { GoodbyeReason } from "@parley/proto/parley/v1/message_service_pb.js";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { makeCrowd, openAll } from "../support/crowd.js";
import { fakeClock } from "../support/fake-clock.js";
import {
  backend,
  eventually,
  refusal,
  startTestServer,
  subscribe,
  type TestServer,
  type TestStream,
  type TestUser,
} from "../support/index.js";
import { count, metric, must, newDevice, newPair, say, says, streamFailure, toUser } from "../support/messaging.js";
import { figure } from "../support/proofs/figure.js";
import { seed, sized } from "../support/proofs/tier.js";
import { random } from "../support/random.js";

const GRACE_MS = 10_000;
const TELL_MS = 5_000;
const SEQUENCES = sized(60, 1_000);
const STEPS = 10;
const WAITS = [37, 1_013, 4_007, 9_001, 12_011];

const clock = fakeClock();
let server: TestServer;
beforeAll(async () => {
  server = await startTestServer({ clock });
});
afterAll(() => server.close());

/** One change of what is true of a user. */
interface Change {
  atMs: number;
  online: boolean;
}

/** Who is here: a device with a stream, or one that lost it less than the grace ago without saying goodbye. */
class Model {
  readonly changes: Change[] = [];
  /** The devices that are here, each with the time its grace ends. */
  private readonly here = new Map<number, number>();

  open = (device: number) => this.set(device, Number.POSITIVE_INFINITY);
  lose = (device: number) => this.set(device, clock.mono() + GRACE_MS);
  go(device: number): void {
    this.here.delete(device);
    this.note(clock.mono());
  }
  online(): boolean {
    for (const [device, untilMs] of [...this.here].sort(([, a], [, b]) => a - b)) {
      if (untilMs > clock.mono()) continue;
      this.here.delete(device);
      this.note(untilMs);
    }
    return this.here.size > 0;
  }
  private set(device: number, untilMs: number): void {
    this.here.set(device, untilMs);
    this.note(clock.mono());
  }
  private note(atMs: number): void {
    const online = this.here.size > 0;
    if (online !== (this.changes.at(-1)?.online ?? false)) this.changes.push({ atMs, online });
  }
}

/** What a watcher is told of such changes: at once, and then for 5 s nothing, after which the newest follows. */
function toldOf(changes: readonly Change[]): string[] {
  const told: string[] = [];
  let quietUntilMs = Number.NEGATIVE_INFINITY;
  for (let at = 0; at < changes.length; at += 1) {
    const { atMs } = must(changes[at]);
    if (atMs < quietUntilMs) while ((changes[at + 1]?.atMs ?? Number.POSITIVE_INFINITY) <= quietUntilMs) at += 1;
    told.push(must(changes[at]).online ? "on" : "off");
    quietUntilMs = Math.max(atMs, quietUntilMs) + TELL_MS;
  }
  return told;
}

/** One device of the user, as the test drives it. */
interface Device {
  user: TestUser;
  stream: TestStream | undefined;
  loggedIn: boolean;
}

const toldBy = (stream: TestStream): string[] =>
  stream.events().flatMap(({ event }) => (event.case === "presenceChanged" ? [event.value.online ? "on" : "off"] : []));

async function goodbyeOf(stream: TestStream): Promise<string> {
  expect(await stream.ended).toBeUndefined();
  const last = must(stream.frames.at(-1));
  return last.case === "goodbye" ? GoodbyeReason[last.value.reason] : `ended by ${last.case}`;
}

async function resume(device: Device): Promise<void> {
  const before = device.stream;
  device.stream = await subscribe(device.user);
  if (before !== undefined) expect(await goodbyeOf(before)).toBe("REPLACED");
}

async function pause(device: Device): Promise<void> {
  await device.user.rpc.message.pauseSession({});
  if (device.stream !== undefined) expect(await goodbyeOf(device.stream)).toBe("PAUSED");
  device.stream = undefined;
}

/** The device's network is gone; done when the server knows. */
async function lose({ user, stream }: Device): Promise<void> {
  await stream?.close();
  await eventually(async () => {
    const { sessions } = await backend(server).as(user.userId).auth.listSessions({});
    expect(must(sessions.find((session) => session.sessionId === user.sessionId)).online).toBe(false);
  });
}

async function logOut(device: Device): Promise<void> {
  await device.user.rpc.auth.logout({});
  if (device.stream !== undefined) expect(await goodbyeOf(device.stream)).toBe("SESSION_REVOKED");
  device.stream = undefined;
  device.loggedIn = false;
  expect((await refusal(streamFailure(device.user))).reason).toBe("SESSION_REVOKED");
  expect((await refusal(device.user.rpc.message.pauseSession({}))).reason).toBe("SESSION_REVOKED");
}

/** Plays one random sequence on two devices and gives the number of looks at the presence. */
async function play(random: (below: number) => number): Promise<{ looks: number; told: number }> {
  const [friend, jerry] = await newPair(server);
  await friend.rpc.friend.addFriend({ userId: jerry.userId });
  const watcher = await subscribe(friend);
  const second = await newDevice(server, jerry);
  const devices = [jerry, second].map((user): Device => ({ user, stream: undefined, loggedIn: true }));
  const model = new Model();
  const steps: string[] = [];
  for (let step = 0; step < STEPS; step++) {
    const at = random(2);
    const device = must(devices[at]);
    const does = ["resume", "resume", "pause", "lose", "log out", "wait", "wait", "wait"][random(8)];
    const ms = must(WAITS[random(WAITS.length)]);
    steps.push(does === "wait" ? `wait ${ms}` : `${does} ${at}`);
    if (does === "wait") clock.advance(ms);
    else if (!device.loggedIn) {
      device.user = await newDevice(server, jerry);
      device.loggedIn = true;
    } else if (does === "resume") {
      await resume(device);
      model.open(at);
    } else if (does === "pause") {
      await pause(device);
      model.go(at);
    } else if (does === "lose" && device.stream !== undefined) {
      await lose(device);
      device.stream = undefined;
      model.lose(at);
    } else if (does === "log out") {
      await logOut(device);
      model.go(at);
    }
    const { presence } = await friend.rpc.user.getPresence({ userId: jerry.userId });
    expect(presence?.online, steps.join(", ")).toBe(model.online());
  }
  for (const { stream } of devices) await stream?.close();
  clock.advance(TELL_MS);
  // What was told so far comes before this, on the one stream.
  model.online();
  await say(friend, toUser(friend.userId), "mark");
  await watcher.event(says("mark"));
  const told = toldBy(watcher);
  const expected = toldOf(model.changes);
  expect(told, `${steps.join(", ")}: ${JSON.stringify(model.changes)}`).toEqual(expected);
  await watcher.close();
  return { looks: STEPS, told: told.length };
}

describe("S16: random pause, resume, loss, logout and login on two devices", () => {
  const from = seed();

  it(
    `presence is as a small model says, at every step and as it is told (seed ${from})`,
    async (context) => {
      let [looks, told] = [0, 0];
      for (let at = 0; at < SEQUENCES; at++) {
        const played = await play(random(from + at));
        looks += played.looks;
        told += played.told;
      }
      figure(context, `${SEQUENCES} sequences: ${looks} answers and ${told} told changes, all as the model says`);
      expect(told).toBeGreaterThan(SEQUENCES);
    },
    sized(180_000, 1_800_000),
  );

  it("a hundred users who go in one moment take no place from messages, and are kept as gone", async (context) => {
    const own = fakeClock();
    let place = await startTestServer({ clock: own, limits: { commitQueueItems: 20 } });
    const crowd = await makeCrowd(place, 100, 1_000);
    const [tom, jerry] = await newPair(place);
    await openAll(crowd);
    crowd.close();
    await eventually(async () => {
      own.advance(1000);
      expect(await metric(place, "parley_sessions")).toBe(0);
    });
    own.advance(GRACE_MS);
    // In the moment in which they all turn away.
    await Promise.all(count(10).map((at) => say(tom, toUser(jerry.userId), String(at))));
    place = await place.restart();
    const userIds = crowd.members.map(({ userId }) => userId);
    const { presences } = await backend(place).user.batchGetPresence({ userIds });
    const online = presences.filter((presence) => presence.online).length;
    expect(presences).toHaveLength(100);
    expect(online).toBe(0);
    figure(
      context,
      `${presences.length} users gone at once with room for 20 writes: 0 of 10 sends refused, ${online} taken for online after a restart`,
    );
    await place.close();
  });

  it("a hundred changes in a moment are told as two: the first, and what is so in the end", async (context) => {
    const [friend, jerry] = await newPair(server);
    await friend.rpc.friend.addFriend({ userId: jerry.userId });
    const watcher = await subscribe(friend);
    for (let at = 0; at < 50; at++) {
      const stream = await subscribe(jerry);
      await jerry.rpc.message.pauseSession({});
      await stream.ended;
      clock.advance(10);
    }
    const last = await subscribe(jerry);
    clock.advance(60_000);
    await say(friend, toUser(friend.userId), "mark");
    await watcher.event(says("mark"));
    expect(toldBy(watcher)).toEqual(["on", "on"]);
    figure(context, `101 changes in 0.5 s told as ${toldBy(watcher).length}`);
    await last.close();
    await watcher.close();
  });
});
