import type { ListInstallationsRequest } from "@parley/proto/parley/v1/installation_service_pb.js";
import { listInstallations as listRows } from "../../store/installations.js";
import type { UserCaller } from "../caller.js";
import type { Ctx } from "../context.js";
import { newestFirst, nextPage, pageLimit } from "../page.js";
import { installationOf } from "./installation.js";

/** Lists the caller's installations, the latest bound first; see InstallationService.ListInstallations. */
export async function listInstallations(ctx: Ctx, caller: UserCaller, request: ListInstallationsRequest) {
  const limit = pageLimit(ctx, request.pageSize);
  const rows = await listRows(ctx.read, caller.appId, caller.userId, newestFirst(request.pageToken), limit + 1);
  const { items, nextPageToken } = nextPage(rows, limit, (row) => [row.create_ms, row.installation_id]);
  return { installations: items.map(installationOf), nextPageToken };
}
