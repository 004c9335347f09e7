import type { Times } from "../limits.js";
import type { Clock, Timer } from "../ops/clock.js";
import type { Bus } from "../ports.js";
import type { LogEnd } from "../store/log.js";
import type { LogReads } from "./log-reads.js";

export interface HeadPollOptions {
  log: Pick<LogReads, "ends">;
  bus: Pick<Bus, "state" | "subscribe">;
  clock: Clock;
  times: Pick<Times, "headPollMs" | "headPollDownMs">;
  /** The apps to look at. */
  appIds(): readonly string[];
  onEnd(end: LogEnd, isAll: boolean): void;
  onError(error: unknown): void;
}

/**
 * Looks at the heads of logs again and again: the loss of the last message of a log is shown by no later one. It looks often while the other
 * nodes cannot be heard, at once when they can be again, and never on a node that is alone.
 */
export function startHeadPoll(options: HeadPollOptions): { close(): void } {
  const { log, bus, clock, times } = options;
  let timer: Timer | undefined;
  let isLooking = false;
  let isAgain = false;
  let isClosed = false;

  const look = async () => {
    const appIds = options.appIds();
    if (appIds.length === 0) return;
    const isAll = bus.state() === "down";
    try {
      for (const end of await log.ends(appIds)) if (!isClosed) options.onEnd(end, isAll);
    } catch (error) {
      options.onError(error);
    }
  };

  const wait = () => {
    const everyMs = bus.state() === "down" ? times.headPollDownMs : times.headPollMs;
    // Up to a fifth sooner or later, so that the nodes do not ask all at once.
    timer = clock.setTimer(run, everyMs * (0.8 + 0.4 * Math.random()));
  };
  const run = () => {
    timer?.cancel();
    isAgain = isLooking;
    if (isLooking || isClosed) return;
    isLooking = true;
    void look().then(() => {
      isLooking = false;
      if (isClosed) return;
      if (isAgain) run();
      else wait();
    });
  };

  if (bus.state() !== "alone") {
    bus.subscribe({ state: run });
    wait();
  }
  return {
    close() {
      isClosed = true;
      timer?.cancel();
    },
  };
}
