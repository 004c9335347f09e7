import type { Timer } from "../ops/clock.js";
import type { Bus, Presence, Pushes } from "../ports.js";
import { listPushHeads } from "../store/push-log.js";
import { createHandOvers } from "./hand-overs.js";
import { type PushReader, type PushReaderOptions, startPushReader } from "./reader.js";
import { type PushWorker, type PushWorkerOptions, startPushWorker } from "./worker.js";

/** The offline side of a node: from the log to the push providers. It runs on one node at a time. */
export interface Pushing extends Pushes {
  /** The number of apps whose pushes wait because their credential is refused. */
  openBreakers(): number;
  /** Starts the worker with what was queued before, and the reader with what was said since. */
  start(): Promise<void>;
  /** Stops reading, and waits a while for what is on its way. */
  stop(): Promise<void>;
  /** Gives up the connections to the providers. */
  close(): Promise<void>;
}

export interface PushingOptions
  extends Omit<PushReaderOptions, "onJobs" | "sender" | "presence">,
    Omit<PushWorkerOptions, "handOvers" | "presence"> {
  bus: Bus;
  presence: Pick<Presence, "standing" | "standings">;
  /** How often to look for what other nodes have stored; undefined when there are none. */
  pollMs: number | undefined;
}

export function createPushing(options: PushingOptions): Pushing {
  const { bus, clock, times, sender, logger, read, pollMs } = options;
  const handOvers = createHandOvers(clock, times.pushHandOverMs);
  let worker: PushWorker | undefined;
  let reader: PushReader | undefined;
  let timer: Timer | undefined;

  bus.subscribe({
    range({ appId, events }) {
      const [first, last] = [events[0], events.at(-1)];
      if (first !== undefined && last !== undefined) reader?.grown(appId, first.pos, last.pos);
    },
  });
  const poll = async (ms: number): Promise<void> => {
    const polled = reader;
    try {
      for (const { appId, pos, head } of await listPushHeads(read)) if (head > pos) reader?.grown(appId, pos + 1, head);
    } catch (error) {
      logger.warn({ err: error }, "what is to be pushed could not be looked for yet");
    }
    if (polled !== undefined && reader === polled) timer = clock.setTimer(() => void poll(ms), ms);
  };

  return {
    withdraw: handOvers.withdraw,
    settled: handOvers.settled,
    credentialChanged: (appId) => worker?.credentialChanged(appId),
    openBreakers: () => worker?.openBreakers() ?? 0,
    async start() {
      const handing = await startPushWorker({ ...options, handOvers });
      worker = handing;
      reader = await startPushReader({ ...options, onJobs: handing.wake });
      if (pollMs !== undefined) await poll(pollMs);
    },
    async stop() {
      timer?.cancel();
      const [reading, handing] = [reader, worker];
      [reader, worker] = [undefined, undefined];
      await reading?.close();
      await handing?.close();
    },
    close: sender.close,
  };
}
