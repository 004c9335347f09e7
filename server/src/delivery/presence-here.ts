import { GoodbyeReason } from "@parley/proto/parley/v1/message_service_pb.js";
import type { Presence } from "../ports.js";
import type { Hub } from "./hub.js";
import type { Liveness } from "./liveness.js";
import type { PresenceBoard } from "./presence.js";

/** Who is here, as the only node knows it: from memory. */
export function presenceHere({
  hub,
  board,
  liveness,
}: {
  hub: Pick<Hub, "known">;
  board: PresenceBoard;
  liveness: Liveness;
}): Presence {
  const streamsOfSession = (appId: string, sessionId: string) => [...(hub.known(appId)?.ofSession(sessionId) ?? [])];
  const streamsOfUser = (appId: string, userId: string) => [...(hub.known(appId)?.ofUser(userId) ?? [])];
  return {
    of: ({ app_id, user_id }) => board.of(app_id, user_id),
    onlineAmong: async (appId, userIds) =>
      userIds.flatMap((userId) => {
        const { online, lastActiveMs } = board.of(appId, userId);
        return online ? [{ userId, lastActiveMs }] : [];
      }),
    countSessions: async (appId) => [...(hub.known(appId)?.all() ?? [])].length,
    countUsers: async (appId) => board.count(appId),
    hide: async (appId, userId, hidden) => liveness.hide(appId, userId, hidden),
    hasStream: ({ app_id, session_id }) => streamsOfSession(app_id, session_id).length > 0,
    standing: liveness.standing,
    standings: async (appId) => (sessionId) => liveness.standing(appId, sessionId),
    async pause(appId, userId, sessionId) {
      for (const stream of streamsOfSession(appId, sessionId))
        stream.end({ reason: GoodbyeReason.PAUSED, reconnect: false });
      liveness.dismiss(appId, sessionId);
      // The stream may have been lost before, and its grace be running.
      board.leave(appId, userId, sessionId, "once");
    },
    streamsOf: async (appId, userId) => streamsOfUser(appId, userId).length,
    async disconnect(appId, userId) {
      const streams = streamsOfUser(appId, userId);
      for (const stream of streams) stream.end({ reason: GoodbyeReason.DISCONNECTED, reconnect: false });
      return streams.length;
    },
  };
}
