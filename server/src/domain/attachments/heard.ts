import type { Clock } from "../../ops/clock.js";
import type { Bus, Signal } from "../../ports.js";

/**
 * Whom transient messages brought an attachment lately. Such a message is stored nowhere, so this memory alone lets its receivers have the bytes; a
 * server that starts anew has forgotten it, as it has the message. Nodes tell each other: a receiver asks any of them.
 */
export interface HeardAttachments {
  keep(appId: string, attachmentId: string, audiences: readonly string[]): void;
  /** The audiences of those messages. */
  find(appId: string, attachmentId: string): string[];
}

export interface HeardOptions {
  bus: Pick<Bus, "publishSignal" | "subscribe">;
  clock: Clock;
  lifeMs: number;
  mostEntries: number;
}

type HeardSignal = {
  readonly appId: string;
  readonly kind: "attachment_heard";
  readonly attachmentId: string;
  readonly audiences: readonly string[];
};

/** Makes a memory whose entries live for a fixed time; the oldest attachments go first when it is full. */
export function createHeardAttachments({ bus, clock, lifeMs, mostEntries }: HeardOptions): HeardAttachments {
  const heard = new Map<string, Map<string, number>>();
  let entries = 0;
  const drop = (key: string) => {
    entries -= heard.get(key)?.size ?? 0;
    heard.delete(key);
  };
  const keep = ({ appId, attachmentId, audiences }: Pick<HeardSignal, "appId" | "attachmentId" | "audiences">) => {
    const key = `${appId}|${attachmentId}`;
    const known = heard.get(key) ?? new Map<string, number>();
    drop(key);
    // Put anew, so that what was heard last goes last.
    for (const audience of audiences) known.set(audience, clock.mono() + lifeMs);
    heard.set(key, known);
    entries += known.size;
    for (const [oldest] of heard) {
      if (entries <= mostEntries || oldest === key) break;
      drop(oldest);
    }
  };
  // Its own are heard too, before `publishSignal` returns.
  bus.subscribe({ signal: (signal) => isHeard(signal) && keep(signal) });
  return {
    keep(appId, attachmentId, audiences) {
      const signal: HeardSignal = { appId, kind: "attachment_heard", attachmentId, audiences };
      bus.publishSignal(signal);
    },
    find(appId, attachmentId) {
      const nowMs = clock.mono();
      const known = heard.get(`${appId}|${attachmentId}`) ?? new Map<string, number>();
      return [...known].filter(([, expireMs]) => expireMs > nowMs).map(([audience]) => audience);
    },
  };
}

function isHeard(signal: Signal): signal is HeardSignal {
  const { attachmentId, audiences } = signal as Partial<HeardSignal>;
  return signal.kind === "attachment_heard" && typeof attachmentId === "string" && Array.isArray(audiences);
}
