/** Tells that something changed, at most once a frame however often it did. */
export interface Signal {
  changed(): void;
  on(listener: () => void): void;
  /** Nothing is told any more. */
  end(): void;
  readonly ended: AbortSignal;
}

/** Not a frame callback: a hidden page gets none, and would grow stale. */
const frameMs = 16;

export function createSignal(): Signal {
  const listeners: (() => void)[] = [];
  const ending = new AbortController();
  let timer: ReturnType<typeof setTimeout> | undefined;

  function tell(): void {
    timer = undefined;
    for (const listener of listeners) listener();
  }

  return {
    changed() {
      if (timer === undefined) timer = setTimeout(tell, frameMs);
    },
    on(listener) {
      listeners.push(listener);
    },
    end() {
      listeners.length = 0;
      ending.abort();
    },
    ended: ending.signal,
  };
}
