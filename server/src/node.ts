import { v7 as uuidv7 } from "uuid";
import type { Delivery } from "./delivery/delivery.js";
import type { Keeping } from "./delivery/keeping.js";
import { createNodeLease, type NodeLease } from "./delivery/node-lease.js";
import type { Times } from "./limits.js";
import { systemClock } from "./ops/clock.js";
import type { Logger } from "./ops/logger.js";
import type { Metrics } from "./ops/metrics.js";
import type { Leases } from "./store/leases.js";
import { takeStreamEnds } from "./store/live-sessions.js";
import type { Store } from "./store/store.js";

export interface NodeParts {
  leases: Leases;
  store: Pick<Store, "aside">;
  times: Times;
  logger: Logger;
  metrics: Metrics;
  delivery: Pick<Delivery, "shared" | "sendAway">;
  keeping: Keeping;
  /** Tells health checks whether this node may serve; whether it does is theirs to know. */
  setServing(may: boolean): void;
}

/** This process as one of the nodes that share a store: a part of the composition root. */
export function createNode({ logger, delivery, keeping, metrics, store, ...parts }: NodeParts): NodeLease {
  return createNodeLease({
    leases: parts.leases,
    // Not one that a test moves: the database has a clock of its own.
    clock: systemClock,
    times: parts.times,
    newId: uuidv7,
    onFenced() {
      logger.error("the store has not been reached for too long: streams are sent away until it is");
      parts.setServing(false);
      delivery.shared?.abandon();
      delivery.sendAway();
    },
    async onRenewed(node) {
      parts.setServing(true);
      delivery.shared?.endHere(await takeStreamEnds(store.aside, node));
    },
    onKeeping(keeps) {
      logger.info(keeps ? "this node is the keeper" : "this node is no longer the keeper");
      metrics.keeper.set(keeps ? 1 : 0);
      keeping.set(keeps);
    },
    onError: (error) => logger.warn({ err: error }, "the node's lease could not be renewed yet"),
  });
}
