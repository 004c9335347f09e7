/** Tells that something changed, at most once a frame however often it did. */
export interface Signal {
  changed(): void;
  on(listener: () => void): void;
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
      if (timer === undefined) timer = setTimeout(tell, frameMs);
    },
    on(listener) {
      listeners.push(listener);
    },
  };
}
