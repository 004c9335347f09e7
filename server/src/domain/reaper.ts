import type { Clock } from "../ops/clock.js";
import { type Rounds, startRounds } from "../ops/rounds.js";
import { listApps } from "../store/apps.js";
import type { Committer, Tx } from "../store/committer.js";
import type { Leases } from "../store/leases.js";
import {
  listAppsOfNode,
  listLeftOnline,
  listLostNodes,
  type PresenceEdge,
  removeSessionsOfNode,
  settlePresence,
} from "../store/live-sessions.js";
import type { Db } from "../store/schema.js";
import { nextTurn } from "./next-turn.js";

export interface ReaperOptions {
  read: Db;
  committer: Committer;
  leases: Leases;
  clock: Clock;
  /** What the names of the nodes' leases begin with. */
  nodes: string;
  /** How long the clients of a node that is gone are expected back. */
  graceMs: number;
  /** How long after this node's own start nobody is given up: all may have been away together. */
  bootGraceMs: number;
  /** For how long this node has been here. */
  ageMs(): number;
  onEdge(edge: PresenceEdge): void;
  onError(error: unknown): void;
}

const ROUND_MS = 1_000;
const STEP_ITEMS = 200;

/** Takes those offline whose node is gone and who have not come back, on one node for all. */
export function startReaper(options: ReaperOptions): Rounds {
  const { read, committer, leases, clock } = options;
  let first = true;

  const tell = (tx: Tx, edges: readonly PresenceEdge[]) =>
    tx.afterCommit(() => {
      for (const edge of edges) options.onEdge(edge);
    });
  const reap = async (name: string, node: string, signal: AbortSignal): Promise<void> => {
    for (const appId of await listAppsOfNode(read, node))
      for (let removed = STEP_ITEMS; removed === STEP_ITEMS && !signal.aborted; await nextTurn())
        removed = await committer.run(appId, async (tx) => {
          const step = await removeSessionsOfNode(tx, node, STEP_ITEMS);
          tell(tx, step.edges);
          return step.removed;
        });
    if (signal.aborted) return;
    await leases.forget(name);
  };
  /** Whoever is online by no session of any node: of a store that was copied from a single server or put back from a backup. */
  const settleLeft = async (signal: AbortSignal): Promise<void> => {
    for (const node of await listLostNodes(read)) await reap(options.nodes + node, node, signal);
    for (const { app_id: appId } of await listApps(read, "", Number.MAX_SAFE_INTEGER))
      for (let left = await listLeftOnline(read, appId, STEP_ITEMS); left.length > 0 && !signal.aborted; ) {
        const users = left;
        await committer.run(appId, async (tx) => tell(tx, await settlePresence(tx, users)));
        await nextTurn();
        left = await listLeftOnline(read, appId, STEP_ITEMS);
      }
  };
  const round = async (signal: AbortSignal): Promise<void> => {
    if (options.ageMs() < options.bootGraceMs) return;
    if (first) await settleLeft(signal);
    first = false;
    for (const { name, holder, leftMs } of await leases.list(options.nodes))
      if (leftMs <= -options.graceMs && !signal.aborted) await reap(name, holder, signal);
  };
  return startRounds({ clock, everyMs: ROUND_MS, round, onError: options.onError });
}
