import { moreIsBetter } from "./columns.js";
import { type Bound, bestOf, compared, type Goal, goals, holds } from "./goals.js";
import type { Measurement } from "./stage.js";
import { align } from "./table.js";

const peers = { "socket.io": "Socket.IO", "grpc-js": "grpc-js", ejabberd: "ejabberd", parley: "Parley" };

/** The goals that this run says something about, each with what Parley reached; undefined when there is none. */
export function printGoals(results: readonly Measurement[]): string | undefined {
  const lines = goals.flatMap((goal) => {
    const row = bestOf(results, goal.workload, goal.key, false);
    return row && compared(goal, goal.goal, row, results) !== undefined ? [lineOf(goal, row, results)] : [];
  });
  if (lines.length === 0) return undefined;
  const header = ["goals", "", "at least", "reached", "goal", "reached", "SDK", "verdict", "by"];
  return align([header, ...lines], 2);
}

function lineOf(goal: Goal, row: Measurement, results: readonly Measurement[]): string[] {
  const sdk = bestOf(results, goal.workload, goal.key, true);
  const value = (bound: Bound, of: Measurement | undefined): string => number(compared(goal, bound, of, results));
  return [
    goal.workload,
    goal.what,
    goal.atLeast.map((bound) => name(goal, bound)).join(", ") || "–",
    goal.atLeast.map((bound) => value(bound, row)).join(", ") || "–",
    name(goal, goal.goal),
    value(goal.goal, row),
    value(goal.goal, sdk),
    verdict(goal, row, results),
    row.who,
  ];
}

function verdict(goal: Goal, row: Measurement, results: readonly Measurement[]): string {
  const met = (bound: Bound): boolean | undefined => {
    const value = compared(goal, bound, row, results);
    return value === undefined ? undefined : holds(goal, bound, value);
  };
  if (met(goal.goal)) return "goal";
  const least = goal.atLeast.map(met).filter((answer) => answer !== undefined);
  return least.length > 0 && least.every(Boolean) ? "at least" : "MISSED";
}

function name({ key }: Goal, { times, peer }: Bound): string {
  const sign = moreIsBetter(key) ? "≥" : "≤";
  return peer === undefined ? `${sign} ${times.toLocaleString("en")}` : `${sign} ${times} × ${peers[peer]}`;
}

function number(value: number | undefined): string {
  if (value === undefined) return "–";
  return value >= 100 ? Math.round(value).toLocaleString("en") : value.toFixed(2);
}
