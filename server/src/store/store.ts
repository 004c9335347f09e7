import type { Dialect } from "./migrations.js";
import type { Room } from "./room.js";
import type { Db } from "./schema.js";

/**
 * The open database. `write` is for the committer alone; `read` sees what is committed and cannot write. `longRead` is another such reader,
 * whose transaction may stay open while others run: whoever uses it waits for those before.
 */
export interface Store {
  dialect: Dialect;
  write: Db;
  read: Db;
  longRead: Db;
  /** How the committer writes to this database. */
  writing: Writing;
  /** Whether the disk has room for what is written. */
  room: Room;
  /** The last server ended by a crash and its log file was gone: what it wrote last may be lost. */
  logLost: boolean;
  close(): Promise<void>;
}

/** A stretch of an app's log, from its first position up to the next one's. */
export interface Generation {
  generation_id: string;
  first_pos: number;
}

/** What the committer does differently on each database. */
export interface Writing {
  /** Begins a transaction that writes. */
  begin(db: Db): Promise<void>;
  /**
   * Takes the logs of some apps, sorted, for the transaction that has just begun: until it ends nobody else writes for these apps, and all that was
   * written for them before can be read. Gives the heads of the logs that are there.
   */
  lockLogs(db: Db, appIds: readonly string[]): Promise<ReadonlyMap<string, number>>;
  /** Names what is stored as one history: when it is another than before, a part of it may have been lost. Known from `begin` on. */
  history(): string;
  /** The newest generation of an app, if it goes on; undefined when the next event begins another. */
  findGeneration(db: Db, appId: string): Promise<Generation | undefined>;
}
