/** A listener. When it returns a promise, the event counts as applied once the promise settles. */
export type Listener<T> = (value: T) => unknown;

/** Events by name, each with its own type of value. */
export interface Emitter<Events> {
  /** Adds a listener and returns the function that takes it away. One function may listen several times. */
  on<Name extends keyof Events>(name: Name, listener: Listener<Events[Name]>): () => void;
  /** Whether anybody listens to `name`. */
  heard(name: keyof Events): boolean;
  /** Calls the listeners in the order they were added and resolves when all are done. What one throws goes to `onThrow`; the others still run. */
  emit<Name extends keyof Events>(name: Name, value: Events[Name]): Promise<void>;
}

/** Makes an emitter. */
export function createEmitter<Events>(onThrow: (error: unknown, name: keyof Events) => void): Emitter<Events> {
  const listeners = new Map<keyof Events, { call: Listener<never> }[]>();

  async function run<Name extends keyof Events>(call: Listener<never>, name: Name, value: Events[Name]): Promise<void> {
    try {
      await (call as Listener<Events[Name]>)(value);
    } catch (error) {
      onThrow(error, name);
    }
  }

  return {
    on(name, call) {
      const entry = { call: call as Listener<never> };
      listeners.set(name, [...(listeners.get(name) ?? []), entry]);
      return () => {
        listeners.set(
          name,
          (listeners.get(name) ?? []).filter((other) => other !== entry),
        );
      };
    },
    heard: (name) => (listeners.get(name)?.length ?? 0) > 0,
    async emit(name, value) {
      await Promise.all((listeners.get(name) ?? []).map(({ call }) => run(call, name, value)));
    },
  };
}
