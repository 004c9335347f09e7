import { sql } from "kysely";
import { DatabaseServerError } from "./errors.js";
import type { Db } from "./schema.js";

interface Demand {
  setting: string;
  meets(value: string): boolean;
  /** What follows, for whoever reads the refusal. */
  text: string;
  /** It can be started without, by those who can lose what they store. */
  waivable: boolean;
}

const LOSSY = "what was acknowledged would be lost with a crash of the machine";
const DEMANDS: readonly Demand[] = [
  {
    setting: "server_version_num",
    meets: (v) => Number(v) >= 140_000,
    text: "PostgreSQL 14 or newer is needed",
    waivable: false,
  },
  {
    setting: "server_encoding",
    meets: (v) => v === "UTF8",
    text: "the database must be made with encoding UTF8",
    waivable: false,
  },
  { setting: "client_encoding", meets: (v) => v === "UTF8", text: "it must be UTF8", waivable: false },
  { setting: "fsync", meets: (v) => v === "on", text: LOSSY, waivable: true },
  { setting: "full_page_writes", meets: (v) => v === "on", text: LOSSY, waivable: true },
  { setting: "synchronous_commit", meets: (v) => v === "on" || v === "remote_apply", text: LOSSY, waivable: true },
];

/** Refuses a database server that would not keep what it is given, or order it otherwise. Throws DatabaseServerError. */
export async function checkServer(db: Db, name: string, unsafe: boolean): Promise<void> {
  const { rows } = await sql<{ name: string; setting: string }>`select name, setting from pg_settings`.execute(db);
  const settings = new Map(rows.map((row) => [row.name, row.setting]));
  for (const { setting, meets, text, waivable } of DEMANDS) {
    const value = settings.get(setting) ?? "";
    if (meets(value) || (waivable && unsafe)) continue;
    const advice = waivable ? "; PARLEY_UNSAFE_DATABASE=true starts all the same" : "";
    throw new DatabaseServerError("unfit", `the database ${name} has ${setting} = ${value}: ${text}${advice}`);
  }
  const { rows: recovery } = await sql<{ standby: boolean }>`select pg_is_in_recovery() as standby`.execute(db);
  if (recovery[0]?.standby === true)
    throw new DatabaseServerError("unfit", `the database ${name} is a standby, which cannot be written to`);
}
