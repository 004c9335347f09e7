import { durationFromMs, timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { AuthService } from "@parley/proto/parley/v1/auth_service_pb.js";
import { asSession, asUser } from "../domain/caller.js";
import type { Ctx } from "../domain/context.js";
import { createAccount } from "../domain/login/create-account.js";
import { changePassword } from "../domain/login/credentials/change-password.js";
import { linkCredential } from "../domain/login/credentials/link-credential.js";
import { listCredentials } from "../domain/login/credentials/list-credentials.js";
import { unlinkCredential } from "../domain/login/credentials/unlink-credential.js";
import { listSessions } from "../domain/login/list-sessions.js";
import { login } from "../domain/login/login.js";
import { logout } from "../domain/login/logout.js";
import type { OpenedSession } from "../domain/login/open-session.js";
import { revokeSession } from "../domain/login/revoke-session.js";
import { requestSmsCode } from "../domain/login/sms/request-code.js";
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
    async requestSmsCode({ address }, request) {
      const { expireMs, resendDelayMs } = await requestSmsCode(ctx, request, address);
      return { codeExpireTime: timestampFromMs(expireMs), resendDelay: durationFromMs(resendDelayMs) };
    },
    linkCredential: async ({ caller, address }, request) => ({
      credential: await linkCredential(ctx, asSession(caller), request, address),
    }),
    listCredentials: async ({ caller }) => ({ credentials: await listCredentials(ctx, asSession(caller)) }),
    async unlinkCredential({ caller }, request) {
      await unlinkCredential(ctx, asSession(caller), request);
      return {};
    },
    async changePassword({ caller, address }, request) {
      await changePassword(ctx, asSession(caller), request, address);
      return {};
    },
  };
}

/** A session that was just opened, as Login and CreateSession tell it. */
export function openedSession({ expireMs, ...session }: OpenedSession) {
  return { ...session, expireTime: timestampFromMs(expireMs) };
}
