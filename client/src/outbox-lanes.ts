import { toBinary } from "@bufbuild/protobuf";
import { SendMessageRequestSchema } from "@parley/proto/parley/v1/message_service_pb.js";
import type { PendingSend } from "./outgoing-message.js";
import { peerKey } from "./peer.js";

/** The largest number of sends in one call. */
export const batchLimit = 100;

/** The largest size of the sends in one call, in bytes: half of what the server reads. */
const batchBytes = 512 * 1024;

/** The sends to one conversation: they leave one after the other, in one call at a time. */
interface Lane {
  readonly key: string;
  /** Room talk and transient sends: they never wait and are never repeated. */
  readonly volatile: boolean;
  /** A call with sends of this lane is under way. */
  busy: boolean;
  /** The sends in the lane, the ones under way too. */
  size: number;
  /** The retryable failures since the last success. */
  failures: number;
  /** The time before which nothing of this lane is tried, in milliseconds since 1970. */
  notBefore: number;
}

/** One send in its lane. */
export interface Entry {
  readonly send: PendingSend;
  readonly lane: Lane;
  readonly bytes: number;
  /** The send is kept, or there is nowhere to keep it: it may leave. */
  ready: boolean;
}

/** The sends of all lanes, in the order they were sent. */
export interface Lanes {
  add(send: PendingSend, ready: boolean): Entry;
  /** Adds sends that go before all others. */
  prepend(sends: readonly PendingSend[]): void;
  get(clientMessageId: string): Entry | undefined;
  delete(entry: Entry): void;
  entries(): Entry[];
  isEmpty(): boolean;
  /** The sends that may leave now in one call: of each lane that is free and due the first ones, up to `limit` and 512 KiB altogether. */
  take(now: number, notBefore: number, limit: number): Entry[];
}

export function createLanes(): Lanes {
  const entries = new Map<string, Entry>();
  const lanes = new Map<string, Lane>();

  function laneOf({ message, request }: PendingSend): Lane {
    const volatile = request.transient || message.receiver.peer.case === "roomId";
    const key = `${volatile ? "volatile " : ""}${peerKey(message.receiver)}`;
    const lane = lanes.get(key) ?? { key, volatile, busy: false, size: 0, failures: 0, notBefore: 0 };
    lanes.set(key, lane);
    return lane;
  }

  function add(send: PendingSend, ready: boolean): Entry {
    const lane = laneOf(send);
    const entry = { send, lane, ready, bytes: toBinary(SendMessageRequestSchema, send.request).length };
    lane.size += 1;
    entries.set(send.message.clientMessageId, entry);
    return entry;
  }

  return {
    add,
    prepend(sends) {
      const others = [...entries];
      entries.clear();
      for (const send of sends) add(send, true);
      for (const [clientMessageId, entry] of others) entries.set(clientMessageId, entry);
    },
    get: (clientMessageId) => entries.get(clientMessageId),
    delete(entry) {
      const { lane } = entry;
      if (entries.delete(entry.send.message.clientMessageId)) lane.size -= 1;
      if (lane.size === 0) lanes.delete(lane.key);
    },
    entries: () => [...entries.values()],
    isEmpty: () => entries.size === 0,
    take(now, notBefore, limit) {
      const taken: Entry[] = [];
      const passed = new Set<Lane>();
      let bytes = 0;
      for (const entry of entries.values()) {
        if (taken.length === limit) break;
        const { lane } = entry;
        const due = lane.volatile || (notBefore <= now && lane.notBefore <= now);
        const fits = taken.length === 0 || bytes + entry.bytes <= batchBytes;
        if (lane.busy || !due || !fits || !entry.ready) passed.add(lane);
        if (passed.has(lane)) continue;
        taken.push(entry);
        bytes += entry.bytes;
      }
      return taken;
    },
  };
}
