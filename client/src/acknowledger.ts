import type { Clock } from "./clock.js";

/** The time from an applied event to its acknowledgement, in milliseconds: within it further events join in. */
export const ackDelayMs = 500;

/** The time between two acknowledgements of a quiet stream, in milliseconds. */
export const idleAckMs = 25_000;

/** Tells the server how far events were applied, and so that this client is alive. */
export interface Acknowledger {
  /** Everything up to `cursor` was applied; it is acknowledged soon, together with what follows closely. */
  applied(cursor: string): void;
  /** Acknowledges at once what is applied and not yet acknowledged; never rejects. */
  flush(): Promise<void>;
  /** Starts the rhythm of a stream that just opened. */
  start(): void;
  /** Ends the rhythm; what was not acknowledged stays so until the next start. */
  stop(): void;
}

/** Makes an acknowledger of what follows `start`. At most one `send` is under way; what fails is covered by the next one. */
export function createAcknowledger(clock: Clock, start: string, send: (cursor: string) => Promise<void>): Acknowledger {
  let cursor = start;
  let acknowledged = "";
  let running = false;
  let soon = false;
  let cancel = () => {};
  let sending: Promise<void> | undefined;

  function arm(): void {
    cancel();
    soon = cursor !== acknowledged;
    if (running) cancel = clock.setTimer(soon ? ackDelayMs : idleAckMs, () => void tell());
  }

  async function tell(): Promise<void> {
    if (sending) return;
    const now = cursor;
    acknowledged = now;
    sending = send(now).catch(() => {});
    await sending;
    sending = undefined;
    arm();
  }

  return {
    applied(next) {
      cursor = next;
      if (!soon && !sending) arm();
    },
    async flush() {
      await sending;
      if (cursor !== acknowledged) await tell();
    },
    start() {
      running = true;
      arm();
    },
    stop() {
      running = false;
      cancel();
      soon = false;
    },
  };
}
