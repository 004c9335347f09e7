import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { TEMP_PARENT } from "./temp-parent.js";

/** Made anew by a server, or of no use to it. */
const LEFT_OUT = /-shm$|^parley\.lock|^disk-reserve$/;

/** The files of a data folder as `kill -9` would leave them at this moment. */
export interface CrashImage extends Disposable {
  dataDir: string;
  database: string;
  wal: string;
  /** Another one with the same content. */
  copy(): CrashImage;
}

/** Copies the data folder of a server or a store that goes on. Nothing may be written between two of its files. */
export function crashImage(dataDir: string): CrashImage {
  const path = mkdtempSync(join(TEMP_PARENT, "parley-crash-"));
  mkdirSync(path, { recursive: true });
  for (const name of readdirSync(dataDir))
    if (!LEFT_OUT.test(name)) copyFileSync(join(dataDir, name), join(path, name));
  // So that a start need not make it.
  writeFileSync(join(path, "disk-reserve"), "");
  const database = join(path, "parley.db");
  return {
    dataDir: path,
    database,
    wal: `${database}-wal`,
    copy: () => crashImage(path),
    [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }),
  };
}
