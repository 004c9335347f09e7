import { createCursorSaver } from "./cursor-store.js";

/** How far one user's events were applied. It outlives attempts and ends with the session. */
export interface StreamPosition {
  /** The cursor up to which everything was applied; empty: from now on. */
  readonly cursor: string;
  /** Everything up to `cursor` was applied. An empty cursor, of a transient event, changes nothing. */
  advance(cursor: string): void;
  /** The server does not know the cursor: the next stream starts from now. */
  reset(): void;
  /** The session or the program is over: an event that the application has not done with by now counts as not applied. */
  end(): void;
  /** Resolves when nothing is left to save. */
  settled(): Promise<void>;
}

/** Makes a position. `save` is told of each advance, `onAdvance` too; `onError` hears of a save that failed. */
export function createStreamPosition(
  start: string,
  save: (cursor: string) => void | Promise<void>,
  onAdvance: (cursor: string) => void,
  onError: (error: unknown) => void,
): StreamPosition {
  const saver = createCursorSaver(save, onError);
  let cursor = start;
  let ended = false;
  return {
    get cursor() {
      return cursor;
    },
    advance(next) {
      if (next === "" || next === cursor || ended) return;
      cursor = next;
      saver.save(next);
      onAdvance(next);
    },
    reset() {
      cursor = "";
    },
    end() {
      ended = true;
    },
    settled: () => saver.settled(),
  };
}
