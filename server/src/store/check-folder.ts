import { existsSync, readdirSync, statfsSync, statSync } from "node:fs";
import { join } from "node:path";
import { sql } from "kysely";
import type { BlobStore } from "../ports.js";
import { checkAttachments } from "./check-attachments.js";
import { checkLog } from "./check-log.js";
import { structureFaults } from "./copy.js";
import { StoreError } from "./errors.js";
import { sideFiles, storeFiles } from "./files.js";
import { dialectOf } from "./kysely.js";
import { isLocked } from "./lock.js";
import { judgeFiles, lookAtFiles } from "./log-file.js";
import { schemaAge } from "./migrate.js";
import { openReader, type Reader } from "./reader.js";
import { S3Error } from "./s3-errors.js";
import type { Db } from "./schema.js";

/** One thing that was looked at. A `problem` needs somebody; a `notice` is good to know. */
export interface Finding {
  check: string;
  state: "ok" | "notice" | "problem";
  text: string;
}

/** The names of the files in a data folder that nobody else may read. */
const SECRETS = ["operator-token", "secret-key", "development-app.json"];
const MIB = 1024 * 1024;
const MUCH_WAL = 256 * MIB;
const LITTLE_ROOM = 256 * MIB;

export interface CheckOptions {
  /** Leaves out what reads every row. */
  quick: boolean;
  /** Where the bytes of attachments are. */
  blobs: Pick<BlobStore, "size">;
  /** Opens what is sealed; throws when it was sealed with another key. Absent when there is no key. */
  unseal: ((sealed: Uint8Array) => void) | undefined;
}

/** Looks at a data folder and all that is stored in it, and changes nothing. */
export async function checkFolder(dataDir: string, options: CheckOptions): Promise<Finding[]> {
  const { database, lock } = storeFiles(dataDir);
  const findings: Finding[] = [];
  const tell = (check: string, state: Finding["state"], text: string) => void findings.push({ check, state, text });
  if (!existsSync(database)) {
    tell("database", "problem", `there is no database in ${dataDir}`);
    return findings;
  }
  const serverRuns = checkServer(lock, tell);
  checkSpace(dataDir, serverRuns, tell);
  checkAccess(dataDir, tell);
  const files = lookAtFiles(database);
  let reader: Reader | undefined;
  try {
    reader = openReader(database);
    // A server that runs moves on between the two looks that this takes.
    if (!serverRuns && judgeFiles(reader.connection, files) === "foreign")
      tell("log file", "problem", `${sideFiles(database)[0]} does not belong to the database: one was put there alone`);
    // One moment of it, whatever a server does meanwhile.
    await reader.db.transaction().execute(async (db) => {
      await checkDatabase(db, options, tell);
      if (!options.quick)
        await checkAttachments(db, options.blobs, tell).catch((error: unknown) => tellOfBucket(error, tell));
    });
  } catch (error) {
    tell("database", "problem", `it cannot be read: ${messageOf(error)}`);
  } finally {
    await reader?.close();
  }
  return findings;
}

export type Tell = (check: string, state: Finding["state"], text: string) => void;

/** A bucket that cannot be looked at is no fault of the database. */
export function tellOfBucket(error: unknown, tell: Tell): void {
  if (!(error instanceof S3Error || error instanceof StoreError)) throw error;
  tell("attachments", "problem", `the bucket cannot be looked at: ${messageOf(error.cause ?? error)}`);
}

/** Tells whether a server runs, as far as that can be known. */
function checkServer(lock: string, tell: Tell): boolean {
  try {
    const runs = isLocked(lock);
    tell("server", "ok", runs ? "one runs on this folder" : "none runs on this folder");
    return runs;
  } catch (error) {
    tell("server", "notice", `whether one runs cannot be told: ${messageOf(error)}`);
    return false;
  }
}

function checkSpace(dataDir: string, serverRuns: boolean, tell: Tell): void {
  const { database, reserve } = storeFiles(dataDir);
  const { bavail, bsize } = statfsSync(dataDir);
  const [free, size] = [bavail * bsize, statSync(database).size];
  const text = `${megabytes(free)} free, the database takes ${megabytes(size)}`;
  if (serverRuns && !existsSync(reserve))
    tell("disk", "problem", `it was found full, and its reserve is given up: ${text}`);
  else if (free < LITTLE_ROOM) tell("disk", "notice", `little room: ${text}`);
  else tell("disk", "ok", text);
  const [wal] = sideFiles(database);
  const walSize = existsSync(wal) ? statSync(wal).size : 0;
  if (walSize <= MUCH_WAL) tell("log file", "ok", `${megabytes(walSize)} wait to be moved into the database`);
  else
    tell(
      "log file",
      "problem",
      `${megabytes(walSize)} wait to be moved into the database: something reads it without end`,
    );
}

function checkAccess(dataDir: string, tell: Tell): void {
  const open = ["", ...SECRETS, ...readdirSync(dataDir).filter((name) => name.startsWith("parley.db"))].filter(
    (name) => existsSync(join(dataDir, name)) && (statSync(join(dataDir, name)).mode & 0o077) !== 0,
  );
  // What lies in a folder that others cannot enter is closed to them, whatever its own mode says.
  if (!open.includes("")) tell("access", "ok", "only the owner can enter the folder");
  else {
    const secrets = open.filter((name) => name !== "");
    const state = secrets.length > 0 ? "problem" : "notice";
    tell("access", state, `others can enter ${dataDir}${secrets.length > 0 ? ` and read ${secrets.join(", ")}` : ""}`);
  }
}

/** Looks at what is stored, on one state of it. */
export async function checkDatabase(db: Db, { quick, unseal }: CheckOptions, tell: Tell): Promise<void> {
  const schema = await schemaAge(db);
  if (schema === "none") return tell("schema", "problem", "it is not a database of Parley's");
  if (schema === "newer")
    return tell("schema", "problem", "a newer version of Parley wrote it: this one cannot serve it");
  tell("schema", "ok", schema === "older" ? "an older one, which the next start brings up to date" : "this version's");
  // What a database server holds is its own to check.
  if (dialectOf(db) === "sqlite" && !(await checkStructure(db, quick, tell))) return;
  await checkSeals(db, schema, unseal, tell);
  if (quick || schema === "older") return;
  const broken = await checkLog(db);
  for (const { rule, text } of broken) tell(rule, "problem", text);
  if (broken.length === 0) await tellLog(db, tell);
}

async function checkStructure(db: Db, quick: boolean, tell: Tell): Promise<boolean> {
  const faults = await structureFaults(db, quick ? "quick" : "full");
  for (const fault of faults) tell("structure", "problem", fault);
  if (faults.length === 0) tell("structure", "ok", quick ? "whole, its indexes not compared" : "whole");
  return faults.length === 0;
}

/** Whether the key that seals the secrets of the apps is still there. */
export async function checkSeals(
  db: Db,
  schema: "older" | "current",
  unseal: CheckOptions["unseal"],
  tell: Tell,
): Promise<void> {
  const apps: { app_id: string; token_keys: Uint8Array | null; sms_gateway?: Uint8Array | null }[] = await db
    .selectFrom("app")
    // An older schema may not have the others yet.
    .select(schema === "older" ? ["app_id", "token_keys"] : ["app_id", "token_keys", "sms_gateway"])
    .execute();
  const credentials =
    schema === "older" ? [] : await db.selectFrom("push_credential").select(["app_id", "sealed"]).execute();
  const sealed = [
    ...apps.flatMap(({ app_id, token_keys, sms_gateway = null }) =>
      [token_keys, sms_gateway].filter((bytes) => bytes !== null).map((bytes) => ({ app_id, bytes })),
    ),
    ...credentials.map((row) => ({ app_id: row.app_id, bytes: row.sealed })),
  ];
  const closed = new Set(sealed.filter(({ bytes }) => !opens(unseal, bytes)).map((row) => row.app_id));
  const count = `the secrets of ${new Set(sealed.map((row) => row.app_id)).size} apps`;
  if (closed.size === 0) tell("secret key", "ok", sealed.length > 0 ? `opens ${count}` : "nothing is sealed with it");
  else if (unseal === undefined) tell("secret key", "problem", `it is gone, and ${count} are sealed with it`);
  else tell("secret key", "problem", `it does not open the secrets of app ${[...closed].join(", ")}`);
}

function opens(unseal: CheckOptions["unseal"], sealed: Uint8Array): boolean {
  try {
    unseal?.(sealed);
    return unseal !== undefined;
  } catch {
    return false;
  }
}

async function tellLog(db: Db, tell: Tell): Promise<void> {
  const { rows } = await sql<{ apps: number; events: number; messages: number }>`
    select (select count(*) from app_log) as apps, (select coalesce(sum(pos - floor_pos), 0) from app_log) as events,
      (select count(*) from message) as messages`.execute(db);
  const { apps = 0, events = 0, messages = 0 } = rows[0] ?? {};
  tell("log", "ok", `${apps} apps, ${events} events, ${messages} messages, nothing missing and nothing twice`);
}

function megabytes(bytes: number): string {
  return `${(bytes / MIB).toFixed(1)} MiB`;
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
