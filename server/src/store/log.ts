import type { LogEvent, LogState } from "../ports.js";
import { EVERYONE, sessionAudience, userAudience } from "./audience.js";
import { compiledQuery } from "./compiled.js";
import type { LogPlace } from "./cursor.js";
import { readErasures } from "./erasure.js";
import { readableEvents } from "./readable.js";
import type { Db } from "./schema.js";

/** A stored event. The payload is the encoded StreamEvent without its cursor; empty when its content was deleted. */
export interface StoredEvent {
  pos: number;
  kind: number;
  payload: Uint8Array;
}

/** One stay of a user in a place. */
export interface Stay {
  place: string;
  joinedPos: number;
  leftPos: number | null;
}

/** Who reads: a user from its creation on, in the session's own name when there is one. */
export interface LogReader {
  userId: string;
  sessionId: string | undefined;
  createdPos: number;
}

// Positions looked at by one read: enough for a quiet user to pass a busy app quickly, little enough to let others run between.
const WINDOW = 5000;

export async function readLogState(db: Db, appId: string): Promise<LogState> {
  const row = await db
    .selectFrom("app_log")
    .select(["pos", "floor_pos"])
    .where("app_id", "=", appId)
    .executeTakeFirst();
  const generations = await db
    .selectFrom("generation")
    .select(["generation_id as generationId", "first_pos as firstPos"])
    .where("app_id", "=", appId)
    .orderBy("first_pos")
    .execute();
  return { head: row?.pos ?? 0, floor: row?.floor_pos ?? 0, generations };
}

/** The head of every app's log. */
export async function readHeads(db: Db): Promise<{ appId: string; head: number }[]> {
  return await db.selectFrom("app_log").select(["app_id as appId", "pos as head"]).execute();
}

/** The end of a log as one look at it finds it. */
export interface LogEnd {
  appId: string;
  head: number;
  floor: number;
  /** The newest generation; null of a log without one. */
  generationId: string | null;
}

/** The ends of some apps' logs. */
export async function readEnds(db: Db, appIds: readonly string[]): Promise<LogEnd[]> {
  return await endsOf(db, [1, appIds]);
}

const endsOf = compiledQuery((db, appIds) =>
  db
    .selectFrom("app_log")
    .select((e) => [
      "app_id as appId",
      "pos as head",
      "floor_pos as floor",
      e
        .selectFrom("generation")
        .select("generation_id")
        .whereRef("generation.app_id", "=", "app_log.app_id")
        .orderBy("first_pos", "desc")
        .limit(1)
        .as("generationId"),
    ])
    .where("app_id", "in", appIds as string[]),
);

/** The events after a position with those they are for, as they are published; what was deleted of them has an empty payload. */
export async function readEventsAfter(db: Db, appId: string, pos: number, limit: number): Promise<LogEvent[]> {
  const events = await readableEvents(db, appId, await eventsAfter(db, [appId, pos, limit]));
  return events.map(({ audiences, ...event }) => ({ ...event, audiences: audiences.split("\n") }));
}

const eventsAfter = compiledQuery((db) =>
  db
    .selectFrom("event")
    .select(["pos", "kind", "audiences", "payload"])
    .where("app_id", "=", "")
    .where("pos", ">", 0)
    .orderBy("pos")
    .limit(1),
);

/** Why a cursor's place cannot be honoured, or undefined when it can. */
export function refusalOf(state: LogState, place: LogPlace): "expired" | "history_changed" | undefined {
  if (place.pos < state.floor) return "expired";
  const at = state.generations.findIndex((g) => g.generationId === place.generationId);
  if (at < 0) return "history_changed";
  const next = state.generations[at + 1];
  const inside = next === undefined ? place.pos <= state.head : place.pos < next.firstPos;
  return inside ? undefined : "history_changed";
}

/** The generation that contains a position. */
export function generationAt(state: LogState, pos: number): string {
  const found = state.generations.findLast((g) => g.firstPos <= pos);
  return (found ?? state.generations[0])?.generationId ?? "0000000000000000";
}

/** The stays of a user that can matter after a position. */
async function readStays(db: Db, appId: string, userId: string, afterPos: number): Promise<Stay[]> {
  return await staysOf(db, [appId, userId, afterPos]);
}

const staysOf = compiledQuery((db) =>
  db
    .selectFrom("member")
    .select(["place", "joined_pos as joinedPos", "left_pos as leftPos"])
    .where("app_id", "=", "")
    .where("user_id", "=", "")
    .where((e) => e.or([e("left_pos", "is", null), e("left_pos", ">", 0)])),
);

/**
 * The events after `fromPos` and up to `toPos` that a reader may see, in order: at most `limit`, and only from a bounded window of positions.
 * `upTo` is the position that the answer is complete to. "expired" when the log no longer reaches back to `fromPos`.
 */
export async function readVisible(
  db: Db,
  appId: string,
  reader: LogReader,
  fromPos: number,
  toPos: number,
  limit: number,
): Promise<{ events: StoredEvent[]; upTo: number } | "expired"> {
  const from = Math.max(fromPos, reader.createdPos);
  if (from >= toPos) return { events: [], upTo: toPos };
  const end = Math.min(toPos, from + WINDOW);
  const stays = await readStays(db, appId, reader.userId, from);
  const audiences = [EVERYONE, userAudience(reader.userId), ...new Set(stays.map((stay) => stay.place))];
  if (reader.sessionId !== undefined) audiences.push(sessionAudience(reader.sessionId));
  // More than one event has, so that the last of them always brings the reader farther.
  const most = Math.max(limit, audiences.length) + 1;
  const rows = (await audienceRows(db, [appId, audiences, from, end, most])).sort((a, b) => a.pos - b.pos);
  // Where the database may have stopped, also when it was asked in parts; of that event something may be missing.
  const stop = rows[most - 1];
  const whole = stop === undefined ? end : stop.pos - 1;
  const positions = new Set<number>();
  for (const { audience, pos } of rows) {
    if (pos > whole) break;
    const seen = stays.filter((stay) => stay.place === audience);
    if (seen.length === 0 || seen.some((s) => s.joinedPos <= pos && (s.leftPos === null || pos < s.leftPos)))
      positions.add(pos);
  }
  const wanted = [...positions].slice(0, limit);
  const upTo = positions.size > limit ? (wanted.at(-1) ?? whole) : whole;
  const events = await eventsAt(db, appId, wanted);
  // Last of all: retention may have passed while the rest was read.
  return (await readFloor(db, appId)) > fromPos ? "expired" : { events, upTo };
}

const audienceRows = compiledQuery((db, audiences) =>
  db
    .selectFrom("audience")
    .select(["audience", "pos"])
    .where("app_id", "=", "")
    .where("audience", "in", audiences as string[])
    .where("pos", ">", 0)
    .where("pos", "<=", 0)
    .orderBy("pos")
    .limit(0),
);

/** The events at these positions as they may be read. For whom they are is asked only while something is being erased. */
async function eventsAt(db: Db, appId: string, positions: readonly number[]): Promise<StoredEvent[]> {
  const events = await eventRows(db, [appId, positions]);
  // After the events: what was erased by then may be among them.
  if (events.length === 0 || (await readErasures(db, appId)).size === 0) return events;
  return await readableEvents(db, appId, await wholeRows(db, [appId, positions]));
}

const eventRows = compiledQuery((db, positions) => rowsAt(db, positions).select(["pos", "kind", "payload"]));
const wholeRows = compiledQuery((db, positions) =>
  rowsAt(db, positions).select(["pos", "kind", "audiences", "payload"]),
);

function rowsAt(db: Db, positions: readonly unknown[]) {
  return db
    .selectFrom("event")
    .where("app_id", "=", "")
    .where("pos", "in", positions as number[])
    .orderBy("pos");
}

const floorOf = compiledQuery((db) => db.selectFrom("app_log").select("floor_pos").where("app_id", "=", ""));

async function readFloor(db: Db, appId: string): Promise<number> {
  return (await floorOf(db, [appId]))[0]?.floor_pos ?? 0;
}
