import type { MessageFacts } from "../../ports.js";
import { findFriendPairs } from "../../store/retention.js";
import type { Db } from "../../store/schema.js";
import { type Addition, countAt, dayOf, hourOf } from "../../store/statistics.js";
import { nextTurn } from "../next-turn.js";

/** What was counted of one app and is not in the store yet. */
export interface Tally {
  /** Amounts by hour and name. */
  hours: Map<number, Map<string, number>>;
  /** Messages between two users by hour and pair: who is a friend is looked up when they are written. */
  pairs: Map<number, Map<string, number>>;
  /** The largest number of users who were online, by hour. */
  peaks: Map<number, number>;
  /** The users who were active, by day. */
  active: Map<number, Set<string>>;
  /** The position up to which the messages of the log are in here or in the store; undefined when it counts nothing of the log. */
  pos: number | undefined;
}

export function newTally(pos?: number): Tally {
  return { hours: new Map(), pairs: new Map(), peaks: new Map(), active: new Map(), pos };
}

export function isEmpty(tally: Tally): boolean {
  return tally.hours.size + tally.pairs.size + tally.peaks.size + tally.active.size === 0;
}

/** Counts one message by whom it is for. */
export function countMessage(tally: Tally, facts: MessageFacts, audiences: readonly string[], stored: boolean): void {
  const hourMs = hourOf(facts.atMs);
  const [first = "", second = first] = audiences;
  const add = (name: string, value: number) => grow(inner(tally.hours, hourMs), name, value);
  if (facts.senderId === "") add("messages_system", 1);
  else if (first.startsWith("r:")) add("messages_rooms", 1);
  else if (!stored) add("messages_transient", 1);
  else if (first.startsWith("g:")) add("messages_groups", 1);
  else grow(inner(tally.pairs, hourMs), [first.slice(2), second.slice(2)].sort().join(":"), 1);
  if (facts.content !== "") add(`content_${facts.content}`, 1);
  if (facts.mediaBytes > 0) add("media_bytes", facts.mediaBytes);
  if (facts.senderId !== "") markActive(tally, dayOf(facts.atMs), facts.senderId);
}

export function markActive(tally: Tally, dayMs: number, userId: string): void {
  const users = tally.active.get(dayMs);
  if (users === undefined) tally.active.set(dayMs, new Set([userId]));
  else users.add(userId);
}

export function reachPeak(tally: Tally, atMs: number, online: number): void {
  const hourMs = hourOf(atMs);
  if (online > (tally.peaks.get(hourMs) ?? 0)) tally.peaks.set(hourMs, online);
}

/** Puts what another holds into a tally; its position stays. */
export function merge(tally: Tally, other: Tally): void {
  for (const [hourMs, counts] of other.hours)
    for (const [name, value] of counts) grow(inner(tally.hours, hourMs), name, value);
  for (const [hourMs, counts] of other.pairs)
    for (const [pair, value] of counts) grow(inner(tally.pairs, hourMs), pair, value);
  for (const [hourMs, online] of other.peaks) reachPeak(tally, hourMs, online);
  for (const [dayMs, users] of other.active) for (const userId of users) markActive(tally, dayMs, userId);
}

/** A tally as it is added to the store, but for who was active. */
export async function additionsOf(db: Db, appId: string, tally: Tally): Promise<Addition[]> {
  const additions: Addition[] = [];
  for (const [hourMs, counts] of tally.hours)
    for (const [name, value] of counts) additions.push(...countAt(hourMs, name, value));
  for (const [hourMs, counts] of tally.pairs) {
    const { friends, strangers } = await divided(db, appId, counts);
    if (friends > 0) additions.push(...countAt(hourMs, "messages_friends", friends));
    if (strangers > 0) additions.push(...countAt(hourMs, "messages_strangers", strangers));
  }
  for (const [hourMs, online] of tally.peaks) additions.push(...countAt(hourMs, "peak_online_users", online, "peak"));
  return additions;
}

const STEP_PAIRS = 200;

/** The messages of pairs who are friends, one's own notes among them, and of the others. */
async function divided(db: Db, appId: string, counts: ReadonlyMap<string, number>) {
  const pairs = [...counts].map(([pair, count]) => ({ users: pair.split(":") as [string, string], count }));
  const sums = { friends: 0, strangers: 0 };
  for (let at = 0; at < pairs.length; at += STEP_PAIRS) {
    const step = pairs.slice(at, at + STEP_PAIRS);
    const friends = await findFriendPairs(
      db,
      appId,
      step.map(({ users }) => users),
    );
    for (const { users, count } of step)
      sums[users[0] === users[1] || friends.has(users.join(":")) ? "friends" : "strangers"] += count;
    await nextTurn();
  }
  return sums;
}

function inner<K>(map: Map<K, Map<string, number>>, key: K): Map<string, number> {
  let found = map.get(key);
  if (found === undefined) {
    found = new Map();
    map.set(key, found);
  }
  return found;
}

function grow(counts: Map<string, number>, name: string, value: number): void {
  counts.set(name, (counts.get(name) ?? 0) + value);
}
