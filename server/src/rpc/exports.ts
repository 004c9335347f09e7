import { AdminService } from "@parley/proto/parley/v1/admin_service_pb.js";
import { HistoryService } from "@parley/proto/parley/v1/history_service_pb.js";
import { asService, asUser } from "../domain/caller.js";
import type { Ctx } from "../domain/context.js";
import { exportHistory } from "../domain/exports/export-history.js";
import { exportUser } from "../domain/exports/export-user.js";
import { createExportPlaces } from "./export-places.js";
import type { Funnel } from "./funnel.js";
import { serverStream } from "./server-stream.js";

/** The calls that tell a whole history or all of a user: streams that end by themselves. */
export function exportHandlers(deps: { ctx: Ctx; funnel: Funnel }) {
  const { ctx } = deps;
  const places = createExportPlaces(ctx.limits);
  return {
    exportUser: serverStream(deps, AdminService.method.exportUser, ({ caller, signal }, request) => {
      const by = asService(caller);
      places.take(by.appId, signal);
      return exportUser(ctx, by, request);
    }),
    exportHistory: serverStream(deps, HistoryService.method.exportHistory, ({ caller, signal }, request) => {
      const by = asUser(caller);
      places.take(by.appId, signal);
      return exportHistory(ctx, by, request);
    }),
  };
}
