import { randomBytes } from "node:crypto";
import { appendFileSync, existsSync, rmSync, statfsSync } from "node:fs";
import type Database from "better-sqlite3";
import { LIMITS, TIMES } from "../limits.js";
import { unlessFatal } from "./errors.js";
import type { LogFile } from "./log-file.js";

/**
 * Whether the disk has room to write. A full disk cannot free itself: even a deletion is written to the log first. So a file of no use keeps some
 * room, and goes when the disk is full; until there is enough room for it again, only what frees space is written.
 */
export interface Room {
  /** Whether anything may be written. Asks the disk once a second at most. */
  isThere(): boolean;
  /** A write has found the disk full. */
  lost(): void;
  /** Something was written. Throws when the disk fails otherwise than by being full. */
  tend(): void;
}

/** On a small disk the file is smaller. */
const SHARE_OF_DISK = 1 / 16;
const PAGE_BYTES = 4096;
const MOST_LOG_PAGES = 4000;
const BLOCK_BYTES = 1024 * 1024;

/** The size of the file that keeps room, and of the log file: what stands in this must find room in the database when that is given up. */
export function roomSizes(dataDir: string): { reserveBytes: number; logPages: number } {
  const reserveBytes = Math.min(LIMITS.diskReserveBytes, Math.floor(diskBytes(dataDir).whole * SHARE_OF_DISK));
  return { reserveBytes, logPages: Math.min(MOST_LOG_PAGES, Math.floor((reserveBytes * 4) / 5 / PAGE_BYTES)) };
}

/** What may be written beside the database without taking the room that it needs to heal. */
export function bytesToSpare(dataDir: string): number {
  return diskBytes(dataDir).free - 2 * roomSizes(dataDir).reserveBytes;
}

/** Makes the file that keeps room, when there is enough. `write` is the connection that the committer writes on. */
export function keepRoom(dataDir: string, file: string, write: Database.Database, logFile: LogFile): Room {
  const { reserveBytes: size } = roomSizes(dataDir);
  let missing = !make(dataDir, file, size);
  let full = missing && diskBytes(dataDir).free < size;
  let probeMs = performance.now() + TIMES.diskProbeMs;

  return {
    isThere() {
      if (!missing || performance.now() < probeMs) return !full;
      probeMs = performance.now() + TIMES.diskProbeMs;
      missing = !make(dataDir, file, size);
      // What retention has deleted leaves room inside the database.
      if (!missing || freeInside(write) >= 2 * size) full = false;
      return !full;
    },
    lost() {
      if (!full) probeMs = performance.now() + TIMES.diskProbeMs;
      full = true;
      missing = true;
      rmSync(file, { force: true });
      unlessFatal(logFile.fold);
    },
    tend() {
      // On a full disk the next write must need no new room.
      unlessFatal(full ? logFile.fold : logFile.tend);
    },
  };
}

/** Makes the file when the disk has twice the room; tells whether it is there. */
function make(dataDir: string, file: string, size: number): boolean {
  if (existsSync(file)) return true;
  if (diskBytes(dataDir).free < 2 * size) return false;
  try {
    // Random, because a file system may store what repeats in hardly any room.
    const block = randomBytes(BLOCK_BYTES);
    for (let left = size; left > 0; left -= BLOCK_BYTES)
      appendFileSync(file, block.subarray(0, Math.min(left, BLOCK_BYTES)), { mode: 0o600 });
    return true;
  } catch {
    rmSync(file, { force: true });
    return false;
  }
}

function diskBytes(dataDir: string): { free: number; whole: number } {
  const { bavail, blocks, bsize } = statfsSync(dataDir);
  return { free: bavail * bsize, whole: blocks * bsize };
}

function freeInside(write: Database.Database): number {
  return Number(write.pragma("freelist_count", { simple: true })) * PAGE_BYTES;
}
