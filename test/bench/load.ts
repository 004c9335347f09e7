import { randomUUID } from "node:crypto";
import type { Received, Target } from "./contestant.js";
import { createLedger, type Ledger, makeText } from "./ledger.js";
import { type Alarm, createAlarm, pass } from "./stage.js";
import type { SendLoad } from "./workloads.js";

const drainMs = 15_000;

/** A way from one sender to its receivers. */
export interface Channel {
  readonly target: Target;
  send(to: Target, text: string, clientMessageId: string): Promise<number>;
}

/** A closed loop: a slot is free again when all receivers have the message and the sender its acknowledgement. */
export interface Load extends Alarm {
  /** The texts that are done. */
  readonly completed: number;
  /** The time of each text that was done while recording, in milliseconds. */
  readonly latencies: number[];
  recording: boolean;
  receive(channel: number, receiver: number, message: Received): void;
  start(channels: readonly Channel[]): void;
  /** Lets what is under way arrive and checks that nothing was lost, doubled or out of order. */
  stop(): Promise<void>;
}

export function createLoad(workload: SendLoad, keepsOrder: boolean): Load {
  const { name, channels: count, receivers, inFlight, textBytes } = workload;
  const { fail, failed } = createAlarm();
  let completed = 0;
  let stopping = false;
  let channels: readonly Channel[] = [];
  const ledgers = Array.from({ length: count }, (_, index): Ledger => {
    const onComplete = (startedAt: number): void => {
      completed += 1;
      if (load.recording) load.latencies.push(performance.now() - startedAt);
      if (!stopping) next(index);
    };
    return createLedger({ name: `${name} sender ${index}`, receivers, keepsOrder, onComplete });
  });

  function guard(step: () => void): void {
    try {
      step();
    } catch (error) {
      fail(error);
    }
  }

  function next(index: number): void {
    const [channel, ledger] = [channels[index], ledgers[index]];
    if (!channel || !ledger) throw new RangeError(`no channel ${index}`);
    const number = ledger.begin(performance.now());
    channel
      .send(channel.target, makeText(number, textBytes), randomUUID())
      .then((sequence) => guard(() => ledger.acknowledge(number, sequence)), fail);
  }

  const load: Load = {
    get completed() {
      return completed;
    },
    latencies: [],
    recording: false,
    failed,
    fail,
    receive: (channel, receiver, message) => guard(() => ledgers[channel]?.deliver(receiver, message)),
    start(given) {
      channels = given;
      for (let slot = 0; slot < inFlight; slot += 1) for (const index of channels.keys()) next(index);
    },
    async stop() {
      stopping = true;
      const deadline = performance.now() + drainMs;
      while (ledgers.some(({ pending }) => pending > 0) && performance.now() < deadline) {
        await pass(10, load);
      }
      // A message that comes twice may come after everything is done.
      await pass(100, load);
      for (const ledger of ledgers) ledger.checkComplete();
    },
  };
  return load;
}
