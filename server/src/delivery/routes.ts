import { fromBinary } from "@bufbuild/protobuf";
import { ChangeKind, EventKind, StreamEventSchema } from "@parley/proto/parley/v1/stream_event_pb.js";
import type { LogEvent } from "../ports.js";
import { groupPlace, roomPlace, userAudience } from "../store/audience.js";
import type { Stay } from "../store/log.js";

/** What an event does to who is in a place. */
interface Effect {
  pos: number;
  place: string;
  userIds: readonly string[];
  change: "join" | "leave" | "dissolve";
}

/**
 * Who hears which audience at the watermark: an index that is a fold of the log itself, so that routing and data cannot disagree.
 * `T` is the listener.
 */
export interface Routes<T> {
  listeners(audience: string): ReadonlySet<T> | undefined;
  /** Routes one event to its listeners, each once, applying what the event does to memberships at the right side of it. */
  route(event: LogEvent, deliver: (listener: T) => void): void;
  /** Adds a listener to fixed audiences, and to its user's places as of the watermark. */
  add(listener: T, userId: string, audiences: readonly string[], loadStays: () => Promise<Stay[]>): Promise<void>;
  remove(listener: T): void;
}

interface Entry {
  userId: string;
  audiences: Set<string>;
}

export interface RoutesOptions {
  /** Told when the first listener of an audience has come, and when the last one has left. */
  onAudience?(audience: string, hasListeners: boolean): void;
}

/** Makes an empty index; `watermark` gives the position up to which events were routed. */
export function createRoutes<T>(watermark: () => number, { onAudience }: RoutesOptions = {}): Routes<T> {
  const byAudience = new Map<string, Set<T>>();
  const entries = new Map<T, Entry>();
  // Each load of stays under way collects the effects that pass meanwhile.
  const loads = new Set<Effect[]>();

  const join = (listener: T, entry: Entry, audience: string) => {
    entry.audiences.add(audience);
    const set = byAudience.get(audience);
    if (set === undefined) {
      byAudience.set(audience, new Set([listener]));
      onAudience?.(audience, true);
    } else set.add(listener);
  };
  const leave = (listener: T, entry: Entry, audience: string) => {
    entry.audiences.delete(audience);
    const set = byAudience.get(audience);
    if (set?.delete(listener) && set.size === 0) {
      byAudience.delete(audience);
      onAudience?.(audience, false);
    }
  };
  const apply = (effect: Effect) => {
    for (const load of loads) load.push(effect);
    if (effect.change === "dissolve") {
      for (const listener of [...(byAudience.get(effect.place) ?? [])])
        leave(listener, entries.get(listener) as Entry, effect.place);
      return;
    }
    for (const userId of effect.userIds)
      for (const listener of byAudience.get(userAudience(userId)) ?? []) {
        const entry = entries.get(listener) as Entry;
        if (effect.change === "join") join(listener, entry, effect.place);
        else leave(listener, entry, effect.place);
      }
  };

  return {
    listeners: (audience) => byAudience.get(audience),
    route(event, deliver) {
      const effect = effectOf(event);
      // One who joins sees the event of it; one who leaves is told by its own audience; the members of a dissolved place hear the end.
      if (effect !== undefined && effect.change !== "dissolve") apply(effect);
      if (event.audiences.length === 1) {
        for (const listener of byAudience.get(event.audiences[0] as string) ?? []) deliver(listener);
      } else {
        const told = new Set<T>();
        for (const audience of event.audiences)
          for (const listener of byAudience.get(audience) ?? []) told.add(listener);
        for (const listener of told) deliver(listener);
      }
      if (effect?.change === "dissolve") apply(effect);
    },
    async add(listener, userId, audiences, loadStays) {
      const entry: Entry = { userId, audiences: new Set() };
      entries.set(listener, entry);
      for (const audience of audiences) join(listener, entry, audience);
      const passed: Effect[] = [];
      loads.add(passed);
      try {
        const stays = await loadStays();
        if (entries.get(listener) !== entry) return;
        for (const place of placesAt(watermark(), userId, stays, passed)) join(listener, entry, place);
      } finally {
        loads.delete(passed);
      }
    },
    remove(listener) {
      const entry = entries.get(listener);
      if (entry === undefined) return;
      entries.delete(listener);
      for (const audience of [...entry.audiences]) leave(listener, entry, audience);
    },
  };
}

/** The places a user is in at a position, from stays read at some later or earlier moment and the effects that passed since the read began. */
function placesAt(pos: number, userId: string, stays: readonly Stay[], passed: readonly Effect[]): Set<string> {
  const places = new Set<string>();
  // The next event is what counts: the stays of a place that was dissolved at this position still hold the position itself.
  for (const stay of stays)
    if (stay.joinedPos <= pos && (stay.leftPos === null || pos + 1 < stay.leftPos)) places.add(stay.place);
  for (const effect of passed) {
    if (effect.change === "dissolve") places.delete(effect.place);
    else if (effect.userIds.includes(userId)) {
      if (effect.change === "join") places.add(effect.place);
      else places.delete(effect.place);
    }
  }
  return places;
}

const PLACE_KINDS: ReadonlySet<number> = new Set([
  EventKind.GROUP_CHANGED,
  EventKind.GROUP_MEMBER_CHANGED,
  EventKind.ROOM_CHANGED,
  EventKind.ROOM_MEMBER_CHANGED,
]);

function effectOf(event: LogEvent): Effect | undefined {
  if (!PLACE_KINDS.has(event.kind)) return undefined;
  const { event: inner } = fromBinary(StreamEventSchema, event.payload);
  const { pos } = event;
  switch (inner.case) {
    case "groupChanged":
    case "roomChanged": {
      const place = inner.case === "groupChanged" ? groupPlace(inner.value.groupId) : roomPlace(inner.value.roomId);
      if (inner.value.change === ChangeKind.REMOVED) return { pos, place, userIds: [], change: "dissolve" };
      if (inner.value.change !== ChangeKind.ADDED) return undefined;
      const made = inner.case === "groupChanged" ? inner.value.group : inner.value.room;
      return { pos, place, userIds: made?.memberUserIds ?? [], change: "join" };
    }
    case "groupMemberChanged":
    case "roomMemberChanged": {
      const { change, userIds } = inner.value;
      const place =
        inner.case === "groupMemberChanged" ? groupPlace(inner.value.groupId) : roomPlace(inner.value.roomId);
      if (change === ChangeKind.ADDED) return { pos, place, userIds, change: "join" };
      return change === ChangeKind.REMOVED ? { pos, place, userIds, change: "leave" } : undefined;
    }
    default:
      return undefined;
  }
}
