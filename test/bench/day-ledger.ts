import type { Received } from "./contestant.js";

/** What everybody has received, in every conversation. */
export interface DayLedger {
  /** Makes the function that hears of a user's messages; a place that is not the next one fails the run. */
  receiverOf(userId: string): (message: Received) => void;
  /** Hears of a message that the server stored, and whom it is for. */
  acknowledge(message: Received, receivers: readonly string[]): void;
  /** How many receivers do not have all yet. */
  missing(): number;
}

export function createDayLedger(fail: (error: unknown) => void): DayLedger {
  /** The last place that each receiver has, by conversation. */
  const received = new Map<string, Map<string, number>>();
  const stored = new Map<string, { last: number; receivers: readonly string[] }>();

  return {
    receiverOf:
      (userId) =>
      ({ conversation = "", sequence }) => {
        // What is sent to a room is not stored and has no place.
        if (conversation === "") return;
        const places = received.get(conversation) ?? new Map<string, number>();
        received.set(conversation, places);
        const last = places.get(userId) ?? 0;
        if (sequence !== last + 1) {
          fail(
            new Error(
              `${userId} got place ${sequence} after ${last} of ${conversation}: lost, doubled or out of order`,
            ),
          );
        }
        places.set(userId, sequence);
      },
    acknowledge({ conversation = "", sequence }, receivers) {
      if (conversation === "") return;
      stored.set(conversation, { last: Math.max(sequence, stored.get(conversation)?.last ?? 0), receivers });
    },
    missing() {
      let count = 0;
      for (const [conversation, { last, receivers }] of stored) {
        const places = received.get(conversation);
        count += receivers.filter((receiver) => (places?.get(receiver) ?? 0) < last).length;
      }
      return count;
    },
  };
}
