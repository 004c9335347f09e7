import type { InstallationService } from "@parley/proto/parley/v1/installation_service_pb.js";
import { asSession, asUser } from "../domain/caller.js";
import type { Ctx } from "../domain/context.js";
import { listInstallations } from "../domain/installations/list.js";
import { registerInstallation } from "../domain/installations/register.js";
import { removeInstallation } from "../domain/installations/remove.js";
import { reportPushOpened } from "../domain/installations/report-opened.js";
import type { Handlers } from "./funnel.js";

export function installationHandlers(ctx: Ctx): Handlers<typeof InstallationService> {
  return {
    registerInstallation: async ({ caller }, request) => ({
      installation: await registerInstallation(ctx, asSession(caller), request.installation),
    }),
    listInstallations: ({ caller }, request) => listInstallations(ctx, asUser(caller), request),
    async removeInstallation({ caller }, request) {
      await removeInstallation(ctx, asUser(caller), request.installationId);
      return {};
    },
    async reportPushOpened({ caller }, request) {
      await reportPushOpened(ctx, asSession(caller), request);
      return {};
    },
  };
}
