import { ParleyError, type ServiceClient } from "@parley/client";
import type { Device } from "./device.js";
import type { Host } from "./host.js";
import type { Reference } from "./reference.js";
import { Refused } from "./state.js";

/** What is compared after every command. */
export interface Backup {
  copy: string;
  world: Reference;
}

/**
 * One app as the model has it and as it is. Where an answer was lost there are several worlds, one for each thing that may have happened; each
 * observation drops those that it contradicts, and when none is left the server has done what it must not.
 */
export class Scene {
  backup: Backup | undefined;
  /** Makes the keys of sends, so that a run can be repeated. */
  keys = 0;

  readonly host: Host;
  readonly appId: string;
  readonly serviceKey: string;
  service: ServiceClient;
  worlds: Reference[];
  readonly users: readonly string[];
  readonly devices: readonly Device[];

  constructor(
    host: Host,
    appId: string,
    serviceKey: string,
    service: ServiceClient,
    worlds: Reference[],
    users: readonly string[],
    devices: readonly Device[],
  ) {
    this.host = host;
    this.appId = appId;
    this.serviceKey = serviceKey;
    this.service = service;
    this.worlds = worlds;
    this.users = users;
    this.devices = devices;
  }

  get world(): Reference {
    const [world] = this.worlds;
    if (world === undefined) throw new Error("no world is left");
    return world;
  }

  /** Does in every world what was done, and keeps those in which it comes out as it was told. */
  judge(what: string, told: string, op: (world: Reference) => unknown): void {
    const outcomes = this.worlds.map((world) => outcomeOf(() => String(op(world) ?? "")));
    this.keep(what, (_, at) => (outcomes[at] === told ? undefined : `told  ${told}\n  model ${outcomes[at]}`));
  }

  /** Keeps the worlds that nothing speaks against. */
  keep(what: string, objection: (world: Reference, at: number) => string | undefined): void {
    const objections = this.worlds.map(objection);
    if (objections.every((text) => text !== undefined))
      throw new Error(`${what}: no world agrees\n  ${objections.join("\n  ")}`);
    this.worlds = this.worlds.filter((_, at) => objections[at] === undefined);
  }

  /** Does in every world what needs no answer. */
  all(op: (world: Reference) => void): void {
    for (const world of this.worlds) op(world);
  }

  /** The devices of a user that can call now. */
  usable(user: string): Device[] {
    return this.devices.filter(
      (device) => device.user === user && device.loggedIn && device.net && this.world.sessions[device.session] === user,
    );
  }

  /** The calls in the name of a user: by a device of it, or by the app's backend. */
  as(user: string) {
    return this.usable(user)[0]?.client ?? this.service.as(user);
  }
}

export function outcomeOf(op: () => string): string {
  try {
    return `ok ${op()}`;
  } catch (error) {
    if (error instanceof Refused) return `no ${error.reason}`;
    throw error;
  }
}

/** What a call told, as a line. */
export async function told<T>(call: Promise<T>, line: (answer: T) => string): Promise<string> {
  try {
    return `ok ${line(await call)}`;
  } catch (error) {
    if (error instanceof ParleyError) return `no ${error.reason}`;
    throw error;
  }
}
