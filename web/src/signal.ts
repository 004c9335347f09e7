/** Tells that something changed, at most once a frame however often it did. */
export interface Signal {
  changed(): void;
  on(listener: () => void): void;
  /** No listener is called any more. */
  end(): void;
}

/** Not a frame callback: a hidden page gets none, and would grow stale. */
const frameMs = 16;

export function createSignal(): Signal {
  const listeners: (() => void)[] = [];
  let timer: ReturnType<typeof setTimeout> | undefined;

  function tell(): void {
    timer = undefined;
    for (const listener of listeners) listener();
  }

  return {
    changed() {
      timer ??= setTimeout(tell, frameMs);
    },
    on(listener) {
      listeners.push(listener);
    },
    end() {
      clearTimeout(timer);
      listeners.length = 0;
    },
  };
}
