import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { ListSessionsRequest } from "@parley/proto/parley/v1/auth_service_pb.js";
import { type Session, SessionSchema } from "@parley/proto/parley/v1/session_pb.js";
import { type ListedSession, listSessions as listRows } from "../../store/sessions.js";
import type { UserCaller } from "../caller.js";
import type { Ctx } from "../context.js";
import { newestFirst, nextPage, pageLimit } from "../page.js";

/** Lists the caller's sessions, newest first; see AuthService.ListSessions. */
export async function listSessions(ctx: Ctx, caller: UserCaller, request: ListSessionsRequest) {
  const limit = pageLimit(ctx, request.pageSize);
  const before = newestFirst(request.pageToken);
  const rows = await listRows(ctx.read, caller.appId, caller.userId, before, limit + 1);
  const { items, nextPageToken } = nextPage(rows, limit, (row) => [row.create_ms, row.session_id]);
  return { sessions: items.map((row) => sessionOf(ctx, row, caller.sessionId)), nextPageToken };
}

/** A stored session in the form of the contract. */
export function sessionOf(ctx: Ctx, row: ListedSession, currentId?: string): Session {
  return create(SessionSchema, {
    sessionId: row.session_id,
    userId: row.user_id,
    installationId: row.installation_id,
    platform: row.platform,
    createTime: timestampFromMs(row.create_ms),
    lastUsedTime: timestampFromMs(row.used_ms),
    expireTime: timestampFromMs(row.expire_ms),
    current: row.session_id === currentId,
    online: ctx.presence.hasStream(row),
  });
}
