import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { LogRange } from "../../server/src/ports.js";
import { type Committer, type CommitterOptions, createCommitter } from "../../server/src/store/committer.js";
import { openSqlite } from "../../server/src/store/sqlite.js";
import type { Store } from "../../server/src/store/store.js";
import { databaseOf, dropDatabase } from "./database.js";

// In memory where the system has such a place: what is tested is not the disk, whose fsyncs take most of the time.
const PARENT = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();

/** A folder that is gone when the block that holds it ends. */
export function tempFolder(): { path: string } & Disposable {
  const path = mkdtempSync(join(PARENT, "parley-test-"));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

/** A real store of its own, on the database that the suites run on, with the committer of one process over it. */
export interface TempStore extends AsyncDisposable {
  readonly store: Store;
  readonly dataDir: string;
  committer: Committer;
  /** What the committer published, in order. */
  readonly ranges: LogRange[];
  /** Does as a new process does: another committer over what is stored. */
  restart(): Promise<void>;
}

/** Opens the store of a folder, on the database that the suites run on. */
export async function openStore(dataDir: string): Promise<Store> {
  const url = await databaseOf(dataDir);
  if (url === undefined) return await openSqlite({ dataDir, busyTimeoutMs: 20 });
  const { openPostgres } = await import("../../server/src/store/postgres.js");
  return await openPostgres({ url, unsafe: false, keyMark: "" });
}

export async function tempStore(options: Partial<CommitterOptions> = {}): Promise<TempStore> {
  const folder = tempFolder();
  // So that the start need not make it.
  writeFileSync(join(folder.path, "disk-reserve"), "");
  const store = await openStore(folder.path);
  const ranges: LogRange[] = [];
  const newCommitter = () =>
    createCommitter({
      write: store.write,
      writing: store.writing,
      room: store.room,
      batchItems: 256,
      queueItems: 2000,
      now: Date.now,
      onCommit: (range) => void ranges.push(range),
      onFatal: (error) => {
        throw error;
      },
      onBatch: () => undefined,
      ...options,
    });
  const temp: TempStore = {
    store,
    dataDir: folder.path,
    committer: newCommitter(),
    ranges,
    async restart() {
      await temp.committer.close();
      temp.committer = newCommitter();
    },
    async [Symbol.asyncDispose]() {
      await temp.committer.close();
      await store.close();
      await dropDatabase(folder.path);
      folder[Symbol.dispose]();
    },
  };
  return temp;
}
