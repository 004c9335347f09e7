import type { Bus, Pushes } from "../ports.js";
import { createHandOvers } from "./hand-overs.js";
import { type PushReaderOptions, startPushReader } from "./reader.js";
import { type PushWorkerOptions, startPushWorker } from "./worker.js";

/** The offline side of a node: from the log to the push providers. */
export interface Pushing extends Pushes {
  /** The number of apps whose pushes wait because their credential is refused. */
  openBreakers(): number;
  /** Stops reading, waits a while for what is on its way, and gives up the connections to the providers. */
  close(): Promise<void>;
}

export interface PushingOptions
  extends Omit<PushReaderOptions, "onJobs" | "sender">,
    Omit<PushWorkerOptions, "handOvers"> {
  bus: Bus;
}

/** Starts the worker with what was queued before, and the reader with what was said since. */
export async function startPushing(options: PushingOptions): Promise<Pushing> {
  const { bus, clock, times, sender } = options;
  const handOvers = createHandOvers(clock, times.pushHandOverMs);
  const worker = await startPushWorker({ ...options, handOvers });
  const reader = await startPushReader({ ...options, onJobs: worker.wake });
  bus.subscribe({ range: reader.range });
  return {
    withdraw: handOvers.withdraw,
    settled: handOvers.settled,
    credentialChanged: worker.credentialChanged,
    openBreakers: worker.openBreakers,
    async close() {
      await reader.close();
      await worker.close();
      await sender.close();
    },
  };
}
