import type { Bus, BusListener } from "../ports.js";

/** The bus inside one process: what is published is heard at once, here alone. Where other nodes share the store, it is one that is always down. */
export function createMemoryBus(state: "alone" | "down" = "alone"): Bus {
  const listeners: BusListener[] = [];
  return {
    publish(range) {
      for (const listener of listeners) listener.range?.(range, true);
    },
    publishTransient(event) {
      for (const listener of listeners) listener.transient?.(event, true);
    },
    publishSignal(signal) {
      for (const listener of listeners) listener.signal?.(signal, true);
    },
    follow: () => undefined,
    unfollow: () => undefined,
    subscribe: (listener) => void listeners.push(listener),
    state: () => state,
    close: async () => undefined,
  };
}
