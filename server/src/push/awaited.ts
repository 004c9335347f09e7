/** A message that waits for its receivers to acknowledge it. */
interface Awaited {
  pos: number;
  userIds: readonly string[];
  dueMs: number;
}

/** The messages of one app whose receivers are here and have a moment to acknowledge. In memory alone: the durable cursor stays before them. */
export interface AwaitedList {
  add(awaited: Awaited): void;
  /** Takes those whose moment is over, in the order of the log. */
  takeDue(nowMs: number): Awaited[];
  /** When the next one is due. */
  nextMs(): number | undefined;
  /** The smallest position that waits. */
  firstPos(): number | undefined;
  /** The number of users that are waited for. */
  readonly size: number;
}

export function createAwaitedList(): AwaitedList {
  let list: Awaited[] = [];
  let size = 0;
  const least = (of: (one: Awaited) => number) =>
    list.reduce<number | undefined>((least, one) => Math.min(least ?? of(one), of(one)), undefined);
  return {
    add(awaited) {
      list.push(awaited);
      size += awaited.userIds.length;
    },
    takeDue(nowMs) {
      const due = list.filter(({ dueMs }) => dueMs <= nowMs);
      if (due.length === 0) return [];
      list = list.filter(({ dueMs }) => dueMs > nowMs);
      for (const { userIds } of due) size -= userIds.length;
      return due.sort((a, b) => a.pos - b.pos);
    },
    nextMs: () => least(({ dueMs }) => dueMs),
    firstPos: () => least(({ pos }) => pos),
    get size() {
      return size;
    },
  };
}
