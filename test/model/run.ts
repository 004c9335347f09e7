import { createServiceClient } from "@parley/client";
import fc from "fast-check";
import { operator } from "../support/index.js";
import { must } from "../support/messaging.js";
import { checkUsers } from "./check.js";
import { KINDS } from "./commands.js";
import { checkDatabase } from "./database.js";
import { Device } from "./device.js";
import { goDark, HOST_TIMES, type Host } from "./host.js";
import type { Args } from "./kinds.js";
import { followEverywhere, logIn } from "./motions.js";
import { Reference } from "./reference.js";
import { Scene } from "./scene.js";
import type { Rules } from "./state.js";
import { sync } from "./sync.js";

const USERS = ["ann", "bob", "cleo", "dan"];
/** The user of each device: two have a second one. */
export const DEVICES = ["ann", "bob", "cleo", "ann", "bob"];
const FRIENDS = [
  ["ann", "bob"],
  ["ann", "cleo"],
  ["bob", "cleo"],
] as const;
const HOUR_MS = 3_600_000;

/** How often each kind of command was done. */
export type Counts = Map<string, number>;

/** The settings of one run's app, as numbers to choose by. */
export const rulesArbitrary = fc.record({
  strangers: fc.boolean(),
  friends: fc.boolean(),
  mostMembers: fc.integer({ min: 2, max: 4 }),
  eventsKeptMs: fc.constantFrom(0, 600_000, 2 * HOUR_MS),
  historyKeptMs: fc.constantFrom(0, 600_000, 2 * HOUR_MS),
  strangerHistoryKeptMs: fc.constantFrom(0, 60_000, 5 * HOUR_MS),
});

class Command implements fc.AsyncCommand<Scene, Counts> {
  readonly name: string;
  readonly args: Args;

  constructor(name: string, args: Args) {
    this.name = name;
    this.args = args;
  }

  check(scene: Readonly<Scene>): boolean {
    return KINDS[this.name]?.can?.(scene, this.args) ?? true;
  }

  async run(scene: Scene, counts: Counts): Promise<void> {
    counts.set(this.name, (counts.get(this.name) ?? 0) + 1);
    try {
      await KINDS[this.name]?.run(scene, this.args);
      await sync(scene);
    } catch (error) {
      throw new Error(`${this.toString()}: ${error instanceof Error ? error.message : String(error)}`, {
        cause: error,
      });
    }
  }

  toString(): string {
    return `${this.name}(${this.args.join(",")})`;
  }
}

export function commandsArbitrary(maxCommands: number, replayPath: string | undefined) {
  const args = fc.tuple(fc.nat(999), fc.nat(999), fc.nat(999), fc.nat(999));
  const weighted = Object.entries(KINDS).flatMap(([name, { weight }]) =>
    Array.from({ length: Math.ceil(weight * 4) }, () => args.map((chosen) => new Command(name, chosen))),
  );
  return fc.commands(weighted, { maxCommands, size: "max", ...(replayPath !== undefined && { replayPath }) });
}

/** One run: an app of its own, the commands, and in the end everything compared, on the devices, by calls and in the database. */
export async function runCommands(
  host: Host,
  rules: Omit<Rules, "dedupMs" | "transientDedupMs" | "answeredMs">,
  commands: Iterable<fc.AsyncCommand<Scene, Counts>>,
  counts: Counts,
): Promise<void> {
  const scene = await openScene(host, { ...rules, ...HOST_TIMES });
  try {
    await fc.asyncModelRun(() => ({ model: scene, real: counts }), commands);
    await checkUsers(scene, scene.users);
    await checkDatabase(scene);
  } finally {
    for (const device of scene.devices) await device.close();
    scene.service.close();
    goDark(host);
  }
}

async function openScene(host: Host, rules: Rules): Promise<Scene> {
  const span = (ms: number) => ({ seconds: BigInt(ms / 1000), nanos: 0 });
  const made = await operator(host.server).createApp({
    name: "model",
    settings: {
      allowBareIdLogin: true,
      allowStrangerMessages: rules.strangers,
      maxGroupMembers: rules.mostMembers,
      eventRetention: span(rules.eventsKeptMs),
      historyRetention: span(rules.historyKeptMs),
      strangerHistoryRetention: span(rules.strangerHistoryKeptMs),
    },
  });
  const { appId } = must(made.app);
  const world = new Reference(rules);
  world.nowMs = host.clock.now();
  world.startAgain(host.life);
  world.generations = [{ life: host.life, first: 0 }];
  const service = createServiceClient({ baseUrl: host.backend.url, serviceKey: made.serviceKey });
  await service.admin.upsertUsers(USERS.map((userId) => ({ userId })));
  for (const user of USERS) world.users[user] = { createdPos: 0, name: "" };
  const devices = DEVICES.map(
    (user, at) => new Device(user, must(host.networks[at]), { appId, clientKey: made.clientKey }),
  );
  const scene = new Scene(host, appId, made.serviceKey, service, [world], USERS, devices);
  await followEverywhere(scene);
  for (const device of devices.slice(0, 3)) {
    device.network.accept();
    await logIn(scene, device);
  }
  for (const device of devices.slice(3)) device.network.accept();
  if (rules.friends) {
    for (const [user, friend] of FRIENDS) {
      await service.as(user).friends.add(friend);
      world.addFriend(user, friend);
    }
  }
  await sync(scene);
  return scene;
}
