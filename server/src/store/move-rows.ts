import { createHash } from "node:crypto";
import { type RawBuilder, sql } from "kysely";
import { DatabaseFileError } from "./errors.js";
import type { Db } from "./schema.js";

type Value = string | number | Uint8Array | null;
type Values = readonly Value[];

/** A table as PostgreSQL has it. */
export interface Shape {
  table: string;
  columns: readonly { name: string; type: string }[];
  /** The places of the columns of its primary key. */
  key: readonly number[];
  /** Rows whose key begins so are passed over. */
  except: readonly string[];
}

/** How much a table holds, and what tells it from any other content. */
export interface Content {
  rows: number;
  digest: string;
}

/** So few that the longest messages need some MiB. */
const PAGE_ROWS = 250;
const INTEGER_MOST = 2 ** 31 - 1;
/** The types of columns, as lists. */
const LISTS: Readonly<Record<string, RawBuilder<unknown>>> = {
  text: sql`text[]`,
  bigint: sql`bigint[]`,
  integer: sql`integer[]`,
  bytea: sql`bytea[]`,
};

/** The shape of a table of a PostgreSQL database. */
export async function shapeOf(db: Db, table: string, except: readonly string[]): Promise<Shape> {
  const { rows } = await sql<{ name: string; type: string; place: number | null }>`
    select a.attname as name, format_type(a.atttypid, null) as type, array_position(i.indkey::int2[], a.attnum) as place
    from pg_class c join pg_attribute a on a.attrelid = c.oid left join pg_index i on i.indrelid = c.oid and i.indisprimary
    where c.relname = ${table} and c.relnamespace = current_schema()::regnamespace and a.attnum > 0 and not a.attisdropped
    order by a.attnum`.execute(db);
  const key = rows.flatMap(({ place }, at) => (place === null ? [] : [{ place, at }]));
  if (key.length === 0) throw new Error(`the table ${table} has no primary key to be read by`);
  key.sort((a, b) => a.place - b.place);
  return { table, columns: rows.map(({ name, type }) => ({ name, type })), key: key.map(({ at }) => at), except };
}

/** Reads a whole table of either database in the order of its key, page by page. */
export async function readTable(
  db: Db,
  shape: Shape,
  take: (page: readonly Values[]) => Promise<void>,
): Promise<Content> {
  const hash = createHash("sha256");
  let rows = 0;
  for (let after: Values | undefined; ; ) {
    const page = await readPage(db, shape, after);
    for (const row of page) hash.update(JSON.stringify(row.map(written)));
    await take(page);
    rows += page.length;
    const last = page.at(-1);
    if (last === undefined || page.length < PAGE_ROWS) return { rows, digest: hash.digest("hex") };
    after = keyOf(shape, last);
  }
}

/** Adds rows to a table of a PostgreSQL database. */
export async function insertPage(db: Db, { table, columns }: Shape, page: readonly Values[]): Promise<void> {
  if (page.length === 0) return;
  // A parameter for each column, whatever the number of rows.
  const lists = columns.map(({ name, type }, at) => {
    const list = LISTS[type];
    if (list === undefined) throw new Error(`${table}.${name} is of a type that cannot be copied: ${type}`);
    return sql`${page.map((row) => row[at])}::${list}`;
  });
  await sql`
    insert into ${sql.table(table)} (${sql.join(columns.map(({ name }) => sql.ref(name)))})
    select * from unnest(${sql.join(lists)})`.execute(db);
}

/** Refuses what SQLite holds and PostgreSQL cannot. Throws DatabaseFileError. */
export function checkValues(shape: Shape, page: readonly Values[]): void {
  for (const row of page)
    for (const [at, { name, type }] of shape.columns.entries()) {
      const what = misfit(row[at] ?? null, type);
      if (what === undefined) continue;
      const key = keyOf(shape, row).map(written).join(", ");
      throw new DatabaseFileError(
        "unusable",
        `${name} of the row (${key.replaceAll("\0", "\\0")}) of the table ${shape.table} holds ${what}, which PostgreSQL cannot store`,
      );
    }
}

function misfit(value: Value, type: string): string | undefined {
  if (value === null) return undefined;
  if (type === "text" && typeof value !== "string") return "something else than text";
  if (type === "text" && String(value).includes("\0")) return "a text with a NUL";
  if (type === "bytea" && !(value instanceof Uint8Array)) return "something else than bytes";
  if (type !== "bigint" && type !== "integer") return undefined;
  if (typeof value !== "number" || !Number.isSafeInteger(value)) return "something else than a whole number";
  return type === "integer" && Math.abs(value) > INTEGER_MOST ? "too large a number" : undefined;
}

async function readPage(db: Db, shape: Shape, after: Values | undefined): Promise<Values[]> {
  const { table, columns, key, except } = shape;
  const names = key.map((at) => sql.ref(columns[at]?.name ?? ""));
  const first = names[0] ?? sql``;
  const behind = after === undefined ? sql`` : sql`and (${sql.join(names)}) > (${sql.join(after)})`;
  const passed = except.length === 0 ? sql`` : sql`and ${first} not in (${sql.join(except)})`;
  const { rows } = await sql<Record<string, Value>>`
    select ${sql.join(columns.map(({ name }) => sql.ref(name)))} from ${sql.table(table)}
    where 1 = 1 ${behind} ${passed} order by ${sql.join(names)} limit ${PAGE_ROWS}`.execute(db);
  return rows.map((row) => columns.map(({ name }) => row[name] ?? null));
}

const keyOf = ({ key }: Shape, row: Values): Values => key.map((at) => row[at] ?? null);

/** Bytes in a form that no text and no number has. */
function written(value: Value): Value | [string] {
  return value instanceof Uint8Array
    ? [Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("base64")]
    : value;
}
