import type { Clock } from "../ops/clock.js";
import type { Pushes } from "../ports.js";

/** One push on its way from what the store says of its installation to the provider. */
interface HandOver {
  /** The installation was unbound, or its token changed, since this began: what was read may be no more. Looked at in the tick of the sending. */
  readonly withdrawn: boolean;
  /** The provider has been asked; whoever withdraws the installation waits for the answer. */
  sending(answer: Promise<unknown>): void;
  /** It is over, in whatever way. */
  end(): void;
}

/** The pushes that are being handed over, so that after a logout has answered none is. */
export interface HandOvers extends Pick<Pushes, "withdraw" | "settled"> {
  /** Begins one, before the store is asked about the installation. */
  begin(appId: string, installationId: string): HandOver;
}

/** Makes the list. `mostMs` bounds the wait for a provider that does not answer: what was asked of it by then is on the wire. */
export function createHandOvers(clock: Clock, mostMs: number): HandOvers {
  const running = new Map<string, Set<{ withdrawn: boolean; answer: Promise<unknown> | undefined }>>();
  const keyOf = (appId: string, installationId: string) => `${appId}|${installationId}`;
  return {
    begin(appId, installationId) {
      const key = keyOf(appId, installationId);
      const own = { withdrawn: false, answer: undefined as Promise<unknown> | undefined };
      const others = running.get(key);
      if (others === undefined) running.set(key, new Set([own]));
      else others.add(own);
      return {
        get withdrawn() {
          return own.withdrawn;
        },
        sending(answer) {
          own.answer = answer;
        },
        end() {
          const left = running.get(key);
          left?.delete(own);
          if (left?.size === 0) running.delete(key);
        },
      };
    },
    withdraw(appId, installationId) {
      for (const one of running.get(keyOf(appId, installationId)) ?? []) one.withdrawn = true;
    },
    async settled(appId, installationId) {
      // What has not been sent by now sees that it is withdrawn.
      const answers = [...(running.get(keyOf(appId, installationId)) ?? [])].flatMap(({ withdrawn, answer }) =>
        withdrawn && answer !== undefined ? [answer] : [],
      );
      if (answers.length === 0) return;
      await new Promise<void>((resolve) => {
        const timer = clock.setTimer(resolve, mostMs, { keepAlive: true });
        void Promise.allSettled(answers).then(() => {
          timer.cancel();
          resolve();
        });
      });
    },
  };
}
