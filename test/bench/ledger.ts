import type { Received } from "./contestant.js";

/** The texts of one sender: what is under way, and whether everything came as promised. Each broken promise throws. */
export interface Ledger {
  readonly sent: number;
  readonly pending: number;
  /** Takes the next number for a text that leaves now. */
  begin(now: number): number;
  acknowledge(number: number, sequence: number): void;
  deliver(receiver: number, message: Received): void;
  /** Throws unless every receiver has every message. */
  checkComplete(): void;
}

interface Entry {
  readonly startedAt: number;
  /** The receivers, and the sender's acknowledgement, that are still to come. */
  waiting: number;
  /** The place in the conversation; 0 until somebody said it. */
  sequence: number;
}

export interface LedgerOptions {
  readonly name: string;
  readonly receivers: number;
  readonly keepsOrder: boolean;
  /** Called when a text is with all receivers and acknowledged. */
  readonly onComplete: (startedAt: number) => void;
}

export function createLedger({ name, receivers, keepsOrder, onComplete }: LedgerOptions): Ledger {
  const entries = new Map<number, Entry>();
  const lastSequence = new Array<number>(receivers).fill(0);
  let sent = 0;

  function step(number: number, sequence: number, who: string): void {
    const entry = entries.get(number);
    if (!entry) throw new Error(`${name}: ${who} heard of text ${number}, which nobody waits for: doubled or made up`);
    if (keepsOrder && sequence !== number) {
      throw new Error(`${name}: ${who} has text ${number} at place ${sequence}: out of order`);
    }
    if (entry.sequence !== 0 && entry.sequence !== sequence) {
      throw new Error(`${name}: ${who} has text ${number} at place ${sequence}, others at ${entry.sequence}`);
    }
    entry.sequence = sequence;
    entry.waiting -= 1;
    if (entry.waiting > 0) return;
    entries.delete(number);
    onComplete(entry.startedAt);
  }

  return {
    get sent() {
      return sent;
    },
    get pending() {
      return entries.size;
    },
    begin(now) {
      sent += 1;
      entries.set(sent, { startedAt: now, waiting: receivers + 1, sequence: 0 });
      return sent;
    },
    acknowledge: (number, sequence) => step(number, sequence, "the sender"),
    deliver(receiver, { sequence, text }) {
      const last = lastSequence[receiver] ?? 0;
      if (sequence !== last + 1) {
        throw new Error(
          `${name}: receiver ${receiver} got place ${sequence} after ${last}: lost, doubled or out of order`,
        );
      }
      lastSequence[receiver] = sequence;
      step(readNumber(text), sequence, `receiver ${receiver}`);
    },
    checkComplete() {
      const short = lastSequence.filter((sequence) => sequence !== sent).length;
      if (entries.size > 0 || short > 0) {
        throw new Error(
          `${name}: of ${sent} texts ${entries.size} are not done and ${short} receivers miss some: lost`,
        );
      }
    },
  };
}

const filler = "the quick brown fox jumps over the lazy dog. ".repeat(100);

/** A text of so many bytes, at most some thousand, that tells its number. */
export function makeText(number: number, bytes: number): string {
  const head = `${number} `;
  return head + filler.slice(0, bytes - head.length);
}

const readNumber = (text: string): number => Number.parseInt(text, 10);
