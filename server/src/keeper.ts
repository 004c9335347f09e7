import type { Duties } from "./delivery/keeping.js";
import type { NodeLease } from "./delivery/node-lease.js";
import { NODES } from "./delivery/node-lease.js";
import { startFileSweep } from "./domain/attachments/sweep-files.js";
import type { Ctx } from "./domain/context.js";
import type { PresenceChange } from "./domain/presence-events.js";
import { startReaper } from "./domain/reaper.js";
import { startRetention } from "./domain/retention.js";
import { startCountingForAll } from "./domain/statistics/count-for-all.js";
import type { Logger } from "./ops/logger.js";
import { startExpiryWarnings } from "./push/expiry-warnings.js";
import type { Pushing } from "./push/pushing.js";
import type { Leases } from "./store/leases.js";

export interface KeeperParts {
  ctx: Ctx;
  logger: Logger;
  pushing: Pushing;
  retentionForce: boolean;
  onFloor(appId: string, pos: number): void;
  /** Undefined on the only node. */
  sharing: { leases: Leases; lease(): NodeLease | undefined; onPresence(change: PresenceChange): void } | undefined;
}

/** What one node at a time does for all: a part of the composition root, since its parts are made anew with each turn. */
export function createDuties({ ctx, logger, pushing, sharing, ...options }: KeeperParts): Duties {
  const { read, committer, clock, times } = ctx;
  const report = (error: unknown) => logger.error({ err: error }, "a task of the keeper failed");
  let started: { close(): void | Promise<void> }[] = [];
  return {
    async start() {
      started = [
        startRetention(ctx, logger, {
          intervalMs: times.retentionIntervalMs,
          force: options.retentionForce,
          onFloor: options.onFloor,
        }),
        startExpiryWarnings({ read, clock, logger, times }),
        startFileSweep(ctx, logger),
        { close: pushing.stop },
      ];
      if (sharing !== undefined)
        started.push(
          startCountingForAll({ read, committer, clock, times }, report),
          startReaper({
            read,
            committer,
            leases: sharing.leases,
            clock,
            nodes: NODES,
            graceMs: times.presenceGraceMs,
            bootGraceMs: times.presenceBootGraceMs,
            ageMs: () => sharing.lease()?.ageMs() ?? 0,
            onEdge: sharing.onPresence,
            onError: report,
          }),
        );
      await pushing.start();
    },
    async stop() {
      const ending = started;
      started = [];
      await Promise.all(ending.map((each) => each.close()));
    },
  };
}
