import { createGate, type Gate } from "./gate.js";

/** Bounds the calls to addresses that an app named: one that answers slowly holds up its own app alone. Throws SERVER_BUSY. */
export type OutwardGate = <T>(appId: string, work: () => Promise<T>) => Promise<T>;

export function createOutwardGate(options: { atOnce: number; queue: number; retryDelayMs: number }): OutwardGate {
  const gates = new Map<string, Gate>();
  return (appId, work) => {
    let gate = gates.get(appId);
    if (gate === undefined) {
      gate = createGate(options);
      gates.set(appId, gate);
    }
    return gate(work);
  };
}
