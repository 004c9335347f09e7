import { GoodbyeReason } from "@parley/proto/parley/v1/message_service_pb.js";
import type { Presence, Standing } from "../ports.js";
import type { Leases } from "../store/leases.js";
import { countLiveSessions, listOfUsers } from "../store/live-sessions.js";
import type { Db } from "../store/schema.js";
import { countOnlineUsers, listOnlineAmong } from "../store/users.js";
import type { Hub } from "./hub.js";
import type { Liveness } from "./liveness.js";
import { NODES } from "./node-lease.js";
import type { SharedPresence } from "./shared-presence.js";

/** Who is here, on whatever node of several: from the rows that the nodes write, and of this node's own sessions from memory. */
export function presenceEverywhere({
  read,
  hub,
  liveness,
  shared,
  leases,
  leaseMs,
  node,
}: {
  read: Db;
  hub: Pick<Hub, "known">;
  liveness: Liveness;
  shared: SharedPresence;
  leases: Leases;
  leaseMs: number;
  node(): string | undefined;
}): Presence {
  const endHere = (appId: string, userId: string, sessionId: string | undefined, reason: GoodbyeReason): number => {
    const tail = hub.known(appId);
    const streams = [...((sessionId === undefined ? tail?.ofUser(userId) : tail?.ofSession(sessionId)) ?? [])];
    for (const stream of streams) stream.end({ reason, reconnect: false });
    return streams.length;
  };
  /** How long ago each node was heard of. */
  const heardMs = async () => {
    const nodes = await leases.list(NODES);
    return new Map(nodes.map(({ holder, leftMs }) => [holder, leaseMs - leftMs]));
  };
  return {
    of: ({ online, invisible, last_active_ms }) => ({
      online: online === 1 && invisible === 0,
      lastActiveMs: last_active_ms ?? undefined,
    }),
    onlineAmong: async (appId, userIds) => await listOnlineAmong(read, appId, userIds),
    countSessions: async (appId) => await countLiveSessions(read, appId),
    countUsers: async (appId) => await countOnlineUsers(read, appId),
    hide: async (appId, userId) => await shared.settle(appId, userId),
    hasStream: ({ open }) => open === 1,
    standing: liveness.standing,
    async standings(appId, userIds) {
      const sessions = new Map((await listOfUsers(read, appId, userIds)).map((row) => [row.session_id, row]));
      const heard = await heardMs();
      return (sessionId): Standing => {
        const own = liveness.standing(appId, sessionId);
        const row = sessions.get(sessionId);
        if (row === undefined || row.node === node()) return own;
        return { ...own, client: row.client, unheardMs: heard.get(row.node) ?? Number.POSITIVE_INFINITY };
      };
    },
    async pause(appId, userId, sessionId) {
      endHere(appId, userId, sessionId, GoodbyeReason.PAUSED);
      liveness.dismiss(appId, sessionId);
      await shared.end(appId, userId, sessionId, GoodbyeReason.PAUSED);
    },
    streamsOf: async (appId, userId) =>
      (await listOfUsers(read, appId, [userId])).filter(({ open }) => open === 1).length,
    async disconnect(appId, userId) {
      const here = endHere(appId, userId, undefined, GoodbyeReason.DISCONNECTED);
      return here + (await shared.end(appId, userId, undefined, GoodbyeReason.DISCONNECTED));
    },
  };
}
