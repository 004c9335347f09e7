import { decode, encodeRange, encodeSignal, encodeTransient } from "../../server/src/delivery/bus-codec.js";
import { createMemoryBus } from "../../server/src/delivery/memory-bus.js";
import type { Clock } from "../../server/src/ops/clock.js";
import type { Bus, BusListener, TransientEvent } from "../../server/src/ports.js";
import { isRoomPlace } from "../../server/src/store/audience.js";

/** Memory buses of several nodes, with a wire between them that loses, repeats and reorders what it carries. */
export interface Wire {
  node(): Bus;
  /** From now on nothing gets through, or again what is published from then on. */
  cut(isCut: boolean): void;
}

export interface WireOptions {
  clock: Clock;
  /** Numbers from 0 to 1. */
  random?: () => number;
  /** The part of everything that is lost, and of what is left the part that comes twice. */
  lost?: number;
  repeated?: number;
  /** How late something may be, so that what was published later comes before it. */
  lateMs?: number;
  rangeBytes?: number;
}

interface End {
  listeners: BusListener[];
  followed: string[];
}

export function createWire(options: WireOptions): Wire {
  const { clock, random = Math.random, lost = 0, repeated = 0, lateMs = 0, rangeBytes = 256 * 1024 } = options;
  const ends = new Set<End>();
  let isCut = false;

  /** Carries a message to the others; one of no subject is for all. */
  const carry = (from: End, appId: string, subject: string | undefined, message: Uint8Array) => {
    for (const to of ends) {
      if (to === from || isCut || random() < lost) continue;
      for (let times = random() < repeated ? 2 : 1; times > 0; times--)
        clock.setTimer(() => {
          if (subject === undefined || to.followed.includes(subject)) hear(to, appId, message);
        }, random() * lateMs);
    }
  };

  const node = (): Bus => {
    const end: End = { listeners: [], followed: [] };
    const own = createMemoryBus();
    ends.add(end);
    return {
      ...own,
      publish(range) {
        own.publish(range);
        carry(end, range.appId, range.appId, encodeRange(range, rangeBytes));
      },
      publishTransient(event) {
        own.publishTransient(event);
        carry(end, event.appId, subjectOf(event), encodeTransient(event));
      },
      publishSignal(signal) {
        own.publishSignal(signal);
        carry(end, signal.appId, undefined, encodeSignal(signal));
      },
      state: () => (isCut ? "down" : "up"),
      subscribe(listener) {
        end.listeners.push(listener);
        own.subscribe(listener);
      },
      follow: (appId, room = "") => void end.followed.push(appId + room),
      unfollow: (appId, room = "") => void end.followed.splice(end.followed.indexOf(appId + room), 1),
      async close() {
        ends.delete(end);
      },
    };
  };

  return {
    node,
    cut(cut) {
      isCut = cut;
      for (const { listeners } of ends) for (const listener of listeners) listener.state?.(cut ? "down" : "up");
    },
  };
}

function subjectOf({ appId, audiences }: TransientEvent): string {
  const [only = "", ...others] = audiences;
  return appId + (isRoomPlace(only) && others.length === 0 ? only : "");
}

function hear({ listeners }: End, appId: string, message: Uint8Array): void {
  const heard = decode(appId, message);
  if (typeof heard === "string") throw new Error(`the wire carried what is ${heard}`);
  for (const listener of listeners) {
    if (heard.form === "range") listener.range?.(heard.range, false);
    else if (heard.form === "doorbell") listener.doorbell?.(heard.bell);
    else if (heard.form === "transient") listener.transient?.(heard.event, false);
    else listener.signal?.(heard.signal, false);
  }
}
