import type { Bus, BusListener } from "../ports.js";

/** The bus of a single node: what is published is heard at once, by this process alone. */
export function createMemoryBus(): Bus {
  const listeners: BusListener[] = [];
  return {
    publish(range) {
      for (const listener of listeners) listener.range(range);
    },
    publishTransient(event) {
      for (const listener of listeners) listener.transient(event);
    },
    subscribe: (listener) => void listeners.push(listener),
  };
}
