import { type AdminService, SendSystemMessageResponseSchema } from "@parley/proto/parley/v1/admin_service_pb.js";
import { batchUpsertUsers } from "../domain/admin/batch-upsert-users.js";
import { listPushCredentials } from "../domain/admin/list-push-credentials.js";
import { listOauthProviders, setOauthProviders } from "../domain/admin/oauth-providers.js";
import { getPushTemplates, setPushTemplates } from "../domain/admin/push-templates.js";
import { removePushCredential } from "../domain/admin/remove-push-credential.js";
import { sendTestPush } from "../domain/admin/send-test-push.js";
import { createServiceKey, listServiceKeys, revokeServiceKey } from "../domain/admin/service-keys.js";
import { setPushCredential } from "../domain/admin/set-push-credential.js";
import { setTokenKeys } from "../domain/admin/set-token-keys.js";
import { getSettings, updateSettings } from "../domain/admin/settings.js";
import { getSmsGateway, setSmsGateway } from "../domain/admin/sms-gateway.js";
import {
  addFilterWords,
  getWordFilter,
  listFilterWords,
  removeFilterWords,
  setWordFilter,
} from "../domain/admin/word-filter.js";
import { listAuditEntries } from "../domain/audit/list-audit-entries.js";
import { asService } from "../domain/caller.js";
import type { Ctx } from "../domain/context.js";
import { createSession } from "../domain/login/create-session.js";
import { resetPassword } from "../domain/login/credentials/reset-password.js";
import { sendSystemMessage } from "../domain/send-system-message.js";
import { getStatistics } from "../domain/statistics/get-statistics.js";
import { adminUserHandlers } from "./admin-users.js";
import { openedSession } from "./auth-service.js";
import type { Call, Handlers } from "./funnel.js";
import { sentAnswer } from "./stored-messages.js";

export function adminHandlers(ctx: Ctx, report: (error: unknown, call: Call) => void): Handlers<typeof AdminService> {
  return {
    ...adminUserHandlers(ctx, report),
    batchUpsertUsers: async ({ caller }, request) => ({
      users: await batchUpsertUsers(ctx, asService(caller), request.users),
    }),
    createSession: async ({ caller }, request) =>
      openedSession(await createSession(ctx, asService(caller), request.userId)),
    sendSystemMessage: async ({ caller, binary }, request) =>
      sentAnswer(SendSystemMessageResponseSchema, await sendSystemMessage(ctx, asService(caller), request), binary),
    async setTokenKeys({ caller }, request) {
      await setTokenKeys(ctx, asService(caller), request.keys);
      return {};
    },
    async setSmsGateway({ caller }, request) {
      await setSmsGateway(ctx, asService(caller), request);
      return {};
    },
    getSmsGateway: async ({ caller }) => ({ gateway: await getSmsGateway(ctx, asService(caller)) }),
    async setOauthProviders({ caller }, request) {
      await setOauthProviders(ctx, asService(caller), request.providers);
      return {};
    },
    listOauthProviders: async ({ caller }) => ({ providers: await listOauthProviders(ctx, asService(caller)) }),
    async resetPassword({ caller }, request) {
      await resetPassword(ctx, asService(caller), request);
      return {};
    },
    createServiceKey: async ({ caller }, request) => await createServiceKey(ctx, asService(caller), request.name),
    listServiceKeys: async ({ caller }, request) => await listServiceKeys(ctx, asService(caller), request),
    async revokeServiceKey({ caller }, request) {
      await revokeServiceKey(ctx, asService(caller), request.serviceKeyId);
      return {};
    },
    getSettings: async ({ caller }) => ({ settings: await getSettings(ctx, asService(caller)) }),
    updateSettings: async ({ caller }, request) => ({
      settings: await updateSettings(ctx, asService(caller), request.settings),
    }),
    setPushCredential: async ({ caller }, request) => ({
      credential: await setPushCredential(ctx, asService(caller), request),
    }),
    listPushCredentials: async ({ caller }) => ({ credentials: await listPushCredentials(ctx, asService(caller)) }),
    async removePushCredential({ caller }, request) {
      await removePushCredential(ctx, asService(caller), request);
      return {};
    },
    sendTestPush: async ({ caller }, request) => ({ results: await sendTestPush(ctx, asService(caller), request) }),
    async setPushTemplates({ caller }, request) {
      await setPushTemplates(ctx, asService(caller), request.templates);
      return {};
    },
    getPushTemplates: async ({ caller }) => ({ templates: await getPushTemplates(ctx, asService(caller)) }),
    getWordFilter: async ({ caller }) => ({ filter: await getWordFilter(ctx, asService(caller)) }),
    setWordFilter: async ({ caller }, request) => ({ filter: await setWordFilter(ctx, asService(caller), request) }),
    addFilterWords: async ({ caller }, { words }) => ({ filter: await addFilterWords(ctx, asService(caller), words) }),
    removeFilterWords: async ({ caller }, { words }) => ({
      filter: await removeFilterWords(ctx, asService(caller), words),
    }),
    listFilterWords: async ({ caller }, request) => await listFilterWords(ctx, asService(caller), request),
    getStatistics: async ({ caller }, request) => await getStatistics(ctx, asService(caller), request),
    listAuditEntries: async ({ caller }, request) => await listAuditEntries(ctx, asService(caller), request),
  };
}
