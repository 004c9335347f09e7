/** A load: `channels` senders, each keeping `inFlight` texts under way to its `receivers`. */
export interface Workload {
  readonly name: string;
  readonly title: string;
  readonly channels: number;
  readonly inFlight: number;
  /** The users that receive each message. In a group the sender is one of them. */
  readonly receivers: number;
  readonly group: boolean;
  /** The unit of the CPU figure. */
  readonly costPer: { readonly what: "messages" | "deliveries"; readonly count: number };
  /** What Parley aims at, as in docs/bench.md. */
  readonly goal: string;
}

const perMessages = { what: "messages", count: 1_000 } as const;
const perDeliveries = { what: "deliveries", count: 100_000 } as const;

function pairs(channels: number, inFlight: number, goal: string): Workload {
  const name = `W1-${channels}x${inFlight}`;
  const title = `${channels} ${channels === 1 ? "pair" : "pairs"}, ${inFlight} in flight each`;
  return { name, title, channels, inFlight, receivers: 1, group: false, costPer: perMessages, goal };
}

function group(receivers: number, inFlight: number, goal: string): Workload {
  const title = `a group of ${receivers}, one sender with ${inFlight} in flight`;
  return {
    name: `W2-${receivers}`,
    title,
    channels: 1,
    inFlight,
    receivers,
    group: true,
    costPer: perDeliveries,
    goal,
  };
}

export const workloads: readonly Workload[] = [
  pairs(1, 1, "p50 at most 2 × Socket.IO"),
  pairs(50, 1, "CPU at most 1 × Socket.IO"),
  pairs(50, 32, "msg/s at least 4 × Socket.IO (never under 2 ×)"),
  group(500, 8, "CPU at most 0.5 × Socket.IO"),
];

/** The smallest load, for the smoke test. */
export const smallest: readonly Workload[] = [pairs(2, 4, "none"), group(3, 2, "none")];
