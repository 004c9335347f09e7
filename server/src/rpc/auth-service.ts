import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { AuthService } from "@parley/proto/parley/v1/auth_service_pb.js";
import { asSession, asUser } from "../domain/caller.js";
import type { Ctx } from "../domain/context.js";
import { createAccount } from "../domain/login/create-account.js";
import { listSessions } from "../domain/login/list-sessions.js";
import { login } from "../domain/login/login.js";
import { logout } from "../domain/login/logout.js";
import type { OpenedSession } from "../domain/login/open-session.js";
import { revokeSession } from "../domain/login/revoke-session.js";
import type { Handlers } from "./funnel.js";

export function authHandlers(ctx: Ctx): Handlers<typeof AuthService> {
  return {
    createAccount: async ({ address }, request) => ({ user: await createAccount(ctx, request, address) }),
    login: async ({ address }, request) => openedSession(await login(ctx, request, address)),
    async logout({ caller }) {
      await logout(ctx, asSession(caller));
      return {};
    },
    listSessions: ({ caller }, request) => listSessions(ctx, asUser(caller), request),
    async revokeSession({ caller }, request) {
      await revokeSession(ctx, asUser(caller), request.sessionId);
      return {};
    },
  };
}

/** A session that was just opened, as Login and CreateSession tell it. */
export function openedSession({ expireMs, ...session }: OpenedSession) {
  return { ...session, expireTime: timestampFromMs(expireMs) };
}
