import { dirname } from "node:path";
import type { Change } from "./journal.js";

/** The files of a folder by their paths in it. */
export type Files = Map<string, Buffer>;

/**
 * What a disk may hold when the power goes, after the changes so far. The rules are POSIX's, which are stricter than any file system of today:
 * a sync keeps what was written to that file before it, and of a folder its names; of all else any part may be there or not, each write
 * whole, missing or cut into sectors, in any order. Only the changes of one folder's names keep their order.
 */
export interface DiskModel {
  apply(change: Change): void;
  /** What the server itself sees. */
  seen(): Files;
  /** One of the states that the disk may be found in; `random` gives numbers from 0 to 1. */
  crash(random: () => number): Files;
}

type Edit = { offset: number; data: Buffer } | { size: number };

/** A file, or a folder, which has no bytes. */
interface Node {
  folder: boolean;
  durable: Bytes;
  /** Written since the last sync. */
  pending: Edit[];
}

/** Names that come or, without a node, go: all or none of them. */
interface NameChange {
  folder: string;
  names: readonly [path: string, node: Node | undefined][];
}

/** Bytes that grow, with zeros where nothing was written. */
interface Bytes {
  buffer: Buffer;
  size: number;
}

const SECTOR_BYTES = 512;

export function createDiskModel(random: () => number): DiskModel {
  const root = newNode(true);
  const live = new Map<string, Node>([["", root]]);
  const durableNames = new Map<string, Node>([["", root]]);
  let pendingNames: NameChange[] = [];
  const opened = new Map<number, { path: string; node: Node }>();

  const changeNames = (...names: [path: string, node: Node | undefined][]) => {
    const parent = dirname((names[0] as [string, unknown])[0]);
    const change = { folder: parent === "." ? "" : parent, names };
    applyNames(live, change);
    pendingNames.push(change);
  };

  const openedAs = (file: number) => {
    const found = opened.get(file);
    if (found === undefined) throw new Error(`file ${file} of the journal was not opened`);
    return found;
  };

  const sync = ({ path, node }: { path: string; node: Node }) => {
    for (const edit of node.pending) applyEdit(node.durable, edit);
    node.pending = [];
    if (!node.folder) return;
    for (const change of pendingNames) if (change.folder === path) applyNames(durableNames, change);
    pendingNames = pendingNames.filter((change) => change.folder !== path);
  };

  return {
    apply(change) {
      switch (change.op) {
        case "start":
          return opened.clear();
        case "open": {
          if (!live.has(change.path)) changeNames([change.path, newNode(false)]);
          return void opened.set(change.file, { path: change.path, node: live.get(change.path) as Node });
        }
        case "write":
          return void openedAs(change.file).node.pending.push({ offset: change.offset, data: change.data });
        case "truncate":
          return void openedAs(change.file).node.pending.push({ size: change.size });
        case "sync":
          return sync(openedAs(change.file));
        case "syncFailed": {
          // The system says so once and then takes what it could not write for written: no later sync brings it back.
          const { node } = openedAs(change.file);
          for (const edit of survivors(node.pending, random)) applyEdit(node.durable, edit);
          node.pending = [];
          return;
        }
        case "unlink":
          return changeNames([change.path, undefined]);
        case "rename":
          return changeNames([change.to, live.get(change.path)], [change.path, undefined]);
        case "mkdir":
          return changeNames([change.path, newNode(true)]);
      }
    },
    seen: () => contents(live, (node) => node.pending),
    crash(dice) {
      const names = new Map(durableNames);
      const kept = new Map<string, number>();
      for (const { folder } of pendingNames) kept.set(folder, (kept.get(folder) ?? 0) + 1);
      for (const [folder, changes] of kept) kept.set(folder, Math.floor(dice() * (changes + 1)));
      for (const change of pendingNames) {
        const left = kept.get(change.folder) as number;
        if (left > 0) applyNames(names, change);
        kept.set(change.folder, left - 1);
      }
      return contents(names, (node) => survivors(node.pending, dice));
    },
  };
}

const newNode = (folder: boolean): Node => ({ folder, durable: { buffer: Buffer.alloc(0), size: 0 }, pending: [] });

function applyNames(all: Map<string, Node>, { names }: NameChange): void {
  for (const [path, node] of names) {
    if (node === undefined) all.delete(path);
    else all.set(path, node);
  }
}

/** The files under names all of whose folders are there too. */
function contents(names: ReadonlyMap<string, Node>, editsOf: (node: Node) => readonly Edit[]): Files {
  const isThere = (path: string): boolean => path === "." || (names.has(path) && isThere(dirname(path)));
  const files: Files = new Map();
  for (const [path, node] of names) {
    if (node.folder || !isThere(path)) continue;
    const bytes = { ...node.durable, buffer: Buffer.from(contentOf(node.durable)) };
    for (const edit of editsOf(node)) applyEdit(bytes, edit);
    files.set(path, contentOf(bytes));
  }
  return files;
}

/** Any part of what was not synced: in some states all or nothing, in most a mix, with writes cut at sectors. */
function survivors(pending: readonly Edit[], random: () => number): Edit[] {
  const chance = [0, 0.2, 0.5, 0.9, 1][Math.floor(random() * 5)] as number;
  return pending.flatMap((edit): Edit[] => {
    if ("size" in edit || random() < 0.7) return random() < chance ? [edit] : [];
    const sectors: Edit[] = [];
    for (let from = 0, to: number; from < edit.data.length; from = to) {
      to = Math.min(edit.data.length, from + SECTOR_BYTES - ((edit.offset + from) % SECTOR_BYTES));
      if (random() < chance) sectors.push({ offset: edit.offset + from, data: edit.data.subarray(from, to) });
    }
    return sectors;
  });
}

function contentOf({ buffer, size }: Bytes): Buffer {
  return buffer.subarray(0, size);
}

function applyEdit(bytes: Bytes, edit: Edit): void {
  if ("size" in edit) {
    bytes.buffer.fill(0, Math.min(edit.size, bytes.size), bytes.size);
    resize(bytes, edit.size);
    return;
  }
  resize(bytes, Math.max(bytes.size, edit.offset + edit.data.length));
  edit.data.copy(bytes.buffer, edit.offset);
}

function resize(bytes: Bytes, size: number): void {
  if (size > bytes.buffer.length) {
    const larger = Buffer.alloc(size * 2);
    contentOf(bytes).copy(larger);
    bytes.buffer = larger;
  }
  bytes.size = size;
}
