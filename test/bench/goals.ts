import { moreIsBetter } from "./columns.js";
import type { Contestant } from "./contestant.js";
import type { Measurement } from "./stage.js";

type Server = Contestant["server"];

/** So many times the figure of a peer in the same run; without a peer, so much. */
export interface Bound {
  readonly times: number;
  readonly peer?: Server;
}

/** A line of the goals. */
export interface Goal {
  readonly what: string;
  readonly workload: string;
  readonly key: string;
  /** The workload whose figure, of the same row, this one is divided by: how gently cost grows. */
  readonly over?: string;
  /** All of these must hold. */
  readonly atLeast: readonly Bound[];
  readonly goal: Bound;
}

const times = (times: number, peer: Server): Bound => ({ times, peer });
/** How far apart figures may lie that are to be the same, for a run is never exact. */
const same: Bound = { times: 1.25 };

export const goals: readonly Goal[] = [
  {
    what: "messages a second",
    workload: "W1-50x32",
    key: "perSecond",
    atLeast: [times(2, "socket.io")],
    goal: times(4, "socket.io"),
  },
  {
    what: "CPU a message",
    workload: "W1-50x1",
    key: "cpu",
    atLeast: [times(0.5, "ejabberd")],
    goal: times(1, "socket.io"),
  },
  { what: "p50", workload: "W1-1x1", key: "p50Ms", atLeast: [times(1, "ejabberd")], goal: times(2, "socket.io") },
  {
    what: "CPU a delivery",
    workload: "W2-500",
    key: "cpu",
    atLeast: [times(0.2, "ejabberd"), times(0.8, "grpc-js")],
    goal: times(0.5, "socket.io"),
  },
  ...["W3-1000", "W3-10000"].map((workload) => ({
    what: "memory a session",
    workload,
    key: "kibEach",
    atLeast: [times(0.6, "ejabberd")],
    goal: times(1.2, "socket.io"),
  })),
  {
    what: "catch-up p50",
    workload: "W4-1000",
    key: "p50Ms",
    atLeast: [times(0.15, "ejabberd")],
    goal: times(1, "socket.io"),
  },
  {
    what: "pages a second",
    workload: "W5-100000",
    key: "perSecond",
    atLeast: [times(30, "ejabberd"), times(1, "grpc-js")],
    goal: times(0.5, "socket.io"),
  },
  { what: "CPU a delivery, of 50", workload: "W2-500", over: "W2-50", key: "cpu", atLeast: [], goal: same },
  { what: "CPU a delivery, of 50", workload: "W2-5000", over: "W2-50", key: "cpu", atLeast: [], goal: same },
  { what: "CPU a page, of 10,000", workload: "W5-1000000", over: "W5-10000", key: "cpu", atLeast: [], goal: same },
  { what: "ms of a start", workload: "start-1000000", key: "p50Ms", atLeast: [], goal: { times: 2_000 } },
];

/** The row of Parley's bare clients, or of its SDK, that is best by a figure. */
export function bestOf(results: readonly Measurement[], workload: string, key: string, sdk: boolean) {
  const rows = results.filter((row) => row.workload === workload && row.server === "parley" && isSdk(row) === sdk);
  const sign = moreIsBetter(key) ? -1 : 1;
  return rows.sort((a, b) => sign * ((a.figures[key] ?? 0) - (b.figures[key] ?? 0)))[0];
}

const isSdk = ({ who }: Measurement): boolean => who.includes("SDK");

/** A row's figure as a bound sees it: divided by the peer's; undefined where one of the two was not measured. */
export function compared(
  { workload, key, over }: Goal,
  { peer }: Bound,
  row: Measurement | undefined,
  results: readonly Measurement[],
): number | undefined {
  const base =
    peer !== undefined ? peerOf(results, workload, peer) : over !== undefined ? sameRow(row, over, results) : undefined;
  const figure = row?.figures[key];
  if (figure === undefined || (peer === undefined && over === undefined)) return figure;
  const divisor = base?.figures[key];
  return divisor === undefined || divisor === 0 ? undefined : figure / divisor;
}

/** A peer's row of a workload. */
export function peerOf(results: readonly Measurement[], workload: string, peer: Server): Measurement | undefined {
  return results.find((row) => row.workload === workload && row.server === peer);
}

function sameRow(row: Measurement | undefined, workload: string, results: readonly Measurement[]) {
  return results.find((other) => other.workload === workload && other.who === row?.who);
}

export function holds({ key }: Goal, { times }: Bound, value: number): boolean {
  return moreIsBetter(key) ? value >= times : value <= times;
}
