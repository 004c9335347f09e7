/** Why a stream is held back: the application asked for it, the page is hidden, or the network is gone. */
type PauseReason = "app" | "hidden" | "offline";

/** A set of reasons. It is held while one is left, so lifting one never overrides another. */
export interface PauseLock {
  /** Adds a reason; a second time changes nothing. */
  add(reason: PauseReason): void;
  /** Lifts a reason; lifting one that is not there changes nothing. */
  lift(reason: PauseReason): void;
  readonly reasons: ReadonlySet<PauseReason>;
}

/** Makes a lock without reasons. `onChange` is told when it becomes held and when it becomes free, and at no other time. */
export function createPauseLock(onChange: (held: boolean) => void): PauseLock {
  const reasons = new Set<PauseReason>();
  return {
    reasons,
    add(reason) {
      const first = reasons.size === 0;
      reasons.add(reason);
      if (first) onChange(true);
    },
    lift(reason) {
      if (reasons.delete(reason) && reasons.size === 0) onChange(false);
    },
  };
}
