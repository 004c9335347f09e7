import { type SelectQueryBuilder, sql } from "kysely";
import { attributePath, CREATE_TIME, fieldPath, type Kind, NAME_FIELD, TEXT } from "./attribute-rows.js";
import type { Db, Schema } from "./schema.js";

/** A condition on one path: a value by its two forms, or a folded part of a text. */
export type Condition = { path: string } & ({ exact: string; folded: string } | { part: string });

/** An order by the values of one path. */
export interface Sort {
  path: string;
  falling: boolean;
}

/** A place in an order: the folded value by each sort, empty for none, and the owner. */
export interface Position {
  keys: readonly string[];
  owner: string;
}

export interface Search {
  appId: string;
  kind: Kind;
  /** Who may see a group only as a member or because it is open to all; undefined sees all. */
  viewer: { userId: string; openPolicy: number } | undefined;
  conditions: readonly Condition[];
  sorts: readonly Sort[];
  after: Position | undefined;
  limit: number;
}

export interface SearchBounds {
  /** The rows of one path that one condition is held against in one go. */
  rows: number;
  /** The things that are looked at, or ordered, in one go. */
  things: number;
}

export interface Found {
  items: Position[];
  /** Where to go on: there may be more. */
  next: Position | undefined;
}

export const pathsOf = {
  attribute: attributePath,
  name: (kind: Kind) => fieldPath(kind, NAME_FIELD[kind]),
  createTime: (kind: Kind) => fieldPath(kind, CREATE_TIME),
};

/**
 * One page of what meets all conditions, in order; "unordered" when too many are equal by the first sort. What a condition selects few of is
 * collected and sorted whole. Else the values of the first sort, or the ids, are walked in order and held against the conditions, so many
 * at a time, and the page may end early: no search looks at more than its bounds.
 */
export async function search(db: Db, query: Search, bounds: SearchBounds): Promise<Found | "unordered"> {
  const few = await collectFew(db, query, bounds);
  if (few !== undefined) return pageOf(query, few, undefined);
  const [first, ...rest] = query.sorts;
  if (first === undefined) return await walkIds(db, query, bounds);
  if (query.after?.keys[0] === "") return await walkIds(db, query, bounds);
  const found = await walkValues(db, query, first, rest.length > 0, bounds);
  if (found === "unordered" || found.next !== undefined) return found;
  if (found.items.length === query.limit) return { ...found, next: found.items.at(-1) };
  // Behind the last value come the things that have none.
  const others = await walkIds(db, { ...query, after: undefined, limit: query.limit - found.items.length }, bounds);
  return { items: [...found.items, ...others.items], next: others.next };
}

type Row = { owner: string; folded: string };

/** All that meets all conditions when one of them, or the number of all things, is small enough to look at each. */
async function collectFew(db: Db, query: Search, { rows, things }: SearchBounds): Promise<Position[] | undefined> {
  const { appId, conditions, kind } = query;
  const of = (path: string) => db.selectFrom("attribute as a").where("a.app_id", "=", appId).where("a.path", "=", path);
  const collect = async (path: string, condition?: Condition): Promise<Position[] | undefined> => {
    let driver = of(path).select(["a.owner", "a.folded"]);
    if (condition !== undefined) driver = driver.where(meets(condition));
    return (await countRows(db, driver.limit(things + 1))) > things
      ? undefined
      : await matching(db, query, driver.limit(things));
  };
  for (const condition of conditions) {
    if ("part" in condition) continue;
    const few = await collect(condition.path, condition);
    if (few !== undefined) return few;
  }
  for (const condition of conditions) {
    if (!("part" in condition)) continue;
    const all = of(condition.path).select(["a.owner", "a.folded"]);
    const few =
      (await countRows(db, all.limit(rows + 1))) > rows ? undefined : await collect(condition.path, condition);
    if (few !== undefined) return few;
  }
  return await collect(pathsOf.createTime(kind));
}

async function countRows(db: Db, rows: RowQuery): Promise<number> {
  const counted = db.selectFrom(rows.as("w")).select((e) => e.fn.countAll<number>().as("count"));
  return Number((await counted.executeTakeFirstOrThrow()).count);
}

/** Walks what has a value by the first sort. */
async function walkValues(
  db: Db,
  query: Search,
  { path, falling }: Sort,
  hasMore: boolean,
  { things }: SearchBounds,
): Promise<Found | "unordered"> {
  const { appId, after } = query;
  const from = after?.keys[0];
  let window = db
    .selectFrom("attribute as a")
    .select(["a.owner", "a.folded"])
    .where("a.app_id", "=", appId)
    .where("a.path", "=", path)
    .where("a.single", "=", 1)
    .orderBy("a.folded", falling ? "desc" : "asc")
    .orderBy("a.owner")
    .limit(things + 1);
  if (after !== undefined && from !== undefined) {
    // Those equal by this value are ordered by the further sorts, so all of them are read.
    window = window.where("a.folded", falling ? "<=" : ">=", from);
    if (!hasMore || after.owner === behindAll(query))
      window = window.where((e) => e.or([e("a.folded", "!=", from), e("a.owner", ">", after.owner)]));
  }
  const walked = await window.execute();
  const isFull = walked.length > things;
  const last = walked.at(-1);
  if (isFull && hasMore && walked[0]?.folded === last?.folded) return "unordered";
  const met = await matching(db, query, window);
  // The last of a full window is read again by the next; with further sorts all that are equal to it are.
  const inside = met.filter(({ keys, owner }) => !(hasMore ? keys[0] === last?.folded : owner === last?.owner));
  return pageOf(query, isFull ? inside : met, isFull ? endOf(query, walked, hasMore) : undefined);
}

/** Sorts behind all owners of a kind. */
const behindAll = ({ kind }: Search) => `${kind}:~`;

function endOf(query: Search, walked: readonly Row[], hasMore: boolean): Position | undefined {
  if (!hasMore) {
    const row = walked.at(-2);
    return row && { keys: [row.folded], owner: row.owner };
  }
  const whole = walked.findLast((row) => row.folded !== walked.at(-1)?.folded);
  return whole && { keys: query.sorts.map((_, at) => (at === 0 ? whole.folded : "")), owner: behindAll(query) };
}

/** Walks things by rising id: all of them, or those that have no value by the first sort. */
async function walkIds(db: Db, query: Search, { things }: SearchBounds): Promise<Found> {
  const { appId, kind, after, sorts } = query;
  const from = after?.owner ?? "";
  const none = sql<string>`''`.as("folded");
  const users = () =>
    db
      .selectFrom("user as a")
      .select(() => [sql<string>`'u:' || a.user_id`.as("owner"), none])
      .where("a.app_id", "=", appId)
      .where("a.user_id", ">", from.slice(2))
      .orderBy("a.user_id")
      .limit(things + 1);
  const places = () =>
    db
      .selectFrom("place as a")
      .select(() => [sql<string>`a.place`.as("owner"), none])
      .where("a.app_id", "=", appId)
      .where("a.place", ">", from === "" ? `${kind}:` : from)
      .where("a.place", "<", `${kind};`)
      .orderBy("a.place")
      .limit(things + 1);
  const walked = kind === "u" ? await users().execute() : await places().execute();
  const isFull = walked.length > things;
  const last = walked.at(-1);
  const met = await matching(db, query, kind === "u" ? users() : places());
  const inside = met.filter(({ owner, keys: [first = ""] }) => first === "" && !(isFull && owner === last?.owner));
  const end = isFull ? walked.at(-2) : undefined;
  return pageOf(query, inside, end && { keys: sorts.map(() => ""), owner: end.owner });
}

/** Those owners of some rows who meet all conditions and may be seen, each once, with the values they are sorted by. */
async function matching(db: Db, { appId, conditions, viewer, sorts }: Search, rows: RowQuery): Promise<Position[]> {
  let query = db.selectFrom(rows.as("w")).select("w.owner");
  for (const condition of conditions)
    query = query.where((e) =>
      e.exists(
        e
          .selectFrom("attribute as a")
          .select("a.owner")
          .where("a.app_id", "=", appId)
          .whereRef("a.owner", "=", "w.owner")
          .where("a.path", "=", condition.path)
          .where(meets(condition)),
      ),
    );
  if (viewer !== undefined)
    query = query.where((e) =>
      e.or([
        e.exists(
          e
            .selectFrom("place as p")
            .select("p.place")
            .where("p.app_id", "=", appId)
            .whereRef("p.place", "=", "w.owner")
            .where("p.join_policy", "=", viewer.openPolicy),
        ),
        e.exists(
          e
            .selectFrom("member as m")
            .select("m.place")
            .where("m.app_id", "=", appId)
            .where("m.user_id", "=", viewer.userId)
            .whereRef("m.place", "=", "w.owner")
            .where("m.left_pos", "is", null),
        ),
      ]),
    );
  // One by one, not by a list of owners: given both, SQLite would read the whole of the path.
  const withKeys = query.select((e) =>
    sorts.map(({ path }, at) =>
      e
        .selectFrom("attribute as k")
        .select("k.folded")
        .where("k.app_id", "=", appId)
        .whereRef("k.owner", "=", "w.owner")
        .where("k.path", "=", path)
        .where("k.single", "=", 1)
        .as(`key${at}`),
    ),
  );
  const found = (await withKeys.execute()) as ({ owner: string } & Record<string, string | null>)[];
  const positions = found.map(
    (row) => [row.owner, { owner: row.owner, keys: sorts.map((_, at) => row[`key${at}`] ?? "") }] as const,
  );
  return [...new Map(positions).values()];
}

type RowQuery = SelectQueryBuilder<Schema, never, Row>;

/** Whether a row `a` of the path of a condition meets it. */
function meets(condition: Condition) {
  if (!("part" in condition)) return sql<boolean>`a.folded = ${condition.folded} and a.exact = ${condition.exact}`;
  return sql<boolean>`a.folded like ${`${TEXT}%${condition.part.replace(/[!%_]/g, "!$&")}%`} escape '!'`;
}

/** Puts things in order and gives the page after the place asked for. `end` is how far was looked, when there is more behind it. */
function pageOf({ sorts, after, limit }: Search, items: Position[], end: Position | undefined): Found {
  const behind = after === undefined ? items : items.filter((item) => compare(sorts, item, after) > 0);
  behind.sort((a, b) => compare(sorts, a, b));
  const page = behind.slice(0, limit);
  return { items: page, next: behind.length > limit ? page.at(-1) : end };
}

/** The order of search: what has no value by a sort comes last, and by the first sort without regard to the others. */
function compare(sorts: readonly Sort[], a: Position, b: Position): number {
  for (const [at, { falling }] of sorts.entries()) {
    const [one, two] = [a.keys[at] ?? "", b.keys[at] ?? ""];
    if (one === "" && two === "") {
      if (at === 0) break;
      continue;
    }
    if (one === "" || two === "") return one === "" ? 1 : -1;
    const order = compareText(one, two);
    if (order !== 0) return falling ? -order : order;
  }
  return compareText(a.owner, b.owner);
}

/** As the databases compare text: by code points. */
function compareText(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let at = 0; at < length; at += 1) {
    const [one, two] = [a.charCodeAt(at), b.charCodeAt(at)];
    if (one !== two) return rank(one) - rank(two);
  }
  return a.length - b.length;
}

/** The halves of characters beyond the first 65,536 stand for what comes behind all others. */
function rank(unit: number): number {
  if (unit < 0xd800) return unit;
  return unit < 0xe000 ? unit + 0x2000 : unit - 0x800;
}
