import { readFileSync } from "node:fs";

/**
 * One change that a server made to the files of its folder; `end` is where the journal goes on after it. A file has a number from its opening to
 * the end of the process, and the path that it was opened by.
 */
export type Change = { end: number } & (
  | { op: "start" }
  | { op: "open"; file: number; path: string }
  | { op: "write"; file: number; path: string; offset: number; data: Buffer }
  | { op: "truncate"; file: number; path: string; size: number }
  | { op: "sync"; file: number; path: string }
  | { op: "syncFailed"; file: number; path: string; timeMs: number }
  | { op: "unlink"; path: string }
  | { op: "rename"; path: string; to: string }
  | { op: "mkdir"; path: string }
);

const HEAD_BYTES = 24;

/** Reads what the shim wrote down: `struct record` of disk.c. */
export function readJournal(path: string): Change[] {
  const bytes = readFileSync(path);
  const changes: Change[] = [];
  let paths = new Map<number, string>();
  for (let at = 0; at < bytes.length; ) {
    const [op, file] = [bytes.readUInt32LE(at), bytes.readUInt32LE(at + 4)];
    const [offset, length] = [Number(bytes.readBigUInt64LE(at + 8)), Number(bytes.readBigUInt64LE(at + 16))];
    const data = bytes.subarray(at + HEAD_BYTES, at + HEAD_BYTES + length);
    at += HEAD_BYTES + length;
    const change = { end: at, ...changeOf(op, file, paths.get(file) ?? "", offset, data) };
    if (change.op === "start") paths = new Map();
    if (change.op === "open") paths.set(file, change.path);
    changes.push(change);
  }
  return changes;
}

type Body<C> = C extends unknown ? Omit<C, "end"> : never;

function changeOf(op: number, file: number, path: string, offset: number, data: Buffer): Body<Change> {
  switch (op) {
    case 1:
      return { op: "start" };
    case 2:
      return { op: "open", file, path: data.toString() };
    case 3:
      return { op: "write", file, path, offset, data };
    case 4:
      return { op: "truncate", file, path, size: offset };
    case 5:
      return { op: "sync", file, path };
    case 6:
      return { op: "syncFailed", file, path, timeMs: offset };
    case 7:
      return { op: "unlink", path: data.toString() };
    case 8: {
      const [from = "", to = ""] = data.toString().split("\0");
      return { op: "rename", path: from, to };
    }
    case 9:
      return { op: "mkdir", path: data.toString() };
    default:
      throw new Error(`the journal holds an operation ${op}`);
  }
}
