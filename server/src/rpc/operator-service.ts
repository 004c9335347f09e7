import type { OperatorService } from "@parley/proto/parley/v1/operator_service_pb.js";
import { createApp } from "../domain/admin/create-app.js";
import { getApp } from "../domain/admin/get-app.js";
import { listApps } from "../domain/admin/list-apps.js";
import { rotateClientKey } from "../domain/admin/rotate-client-key.js";
import { createServiceKey, revokeServiceKey } from "../domain/admin/service-keys.js";
import { updateApp } from "../domain/admin/update-app.js";
import { listAuditEntries } from "../domain/audit/list-audit-entries.js";
import { asOperator } from "../domain/caller.js";
import type { Ctx } from "../domain/context.js";
import type { Handlers } from "./funnel.js";

export function operatorHandlers(ctx: Ctx): Handlers<typeof OperatorService> {
  return {
    createApp: async ({ caller }, request) => await createApp(ctx, asOperator(caller), request),
    getApp: async ({ caller }, request) => ({ app: await getApp(ctx, asOperator(caller), request.appId) }),
    listApps: async ({ caller }, request) => await listApps(ctx, asOperator(caller), request),
    updateApp: async ({ caller }, request) => ({ app: await updateApp(ctx, asOperator(caller), request) }),
    rotateClientKey: async ({ caller }, request) => ({
      clientKey: await rotateClientKey(ctx, asOperator(caller), request.appId),
    }),
    createAppServiceKey: async ({ caller }, { appId, name }) =>
      await createServiceKey(ctx, { ...asOperator(caller), appId }, name),
    async revokeAppServiceKey({ caller }, { appId, serviceKeyId }) {
      await revokeServiceKey(ctx, { ...asOperator(caller), appId }, serviceKeyId);
      return {};
    },
    listOperatorAuditEntries: async ({ caller }, request) => await listAuditEntries(ctx, asOperator(caller), request),
  };
}
