import type { ListAppsRequest } from "@parley/proto/parley/v1/operator_service_pb.js";
import { listApps as listRows } from "../../store/apps.js";
import type { OperatorCaller } from "../caller.js";
import type { Ctx } from "../context.js";
import { nextPage, pageLimit, readPageToken } from "../page.js";
import { appOf, findAppRecord } from "./app.js";

/** Lists the apps by rising id; see OperatorService.ListApps. */
export async function listApps(ctx: Ctx, _caller: OperatorCaller, request: ListAppsRequest) {
  const limit = pageLimit(ctx, request.pageSize);
  const [after] = readPageToken(request.pageToken, ["string"]) ?? [""];
  const rows = await listRows(ctx.read, String(after), limit + 1);
  const { items, nextPageToken } = nextPage(rows, limit, (row) => [row.app_id]);
  const apps = await Promise.all(items.map(async (row) => appOf(await findAppRecord(ctx, row.app_id))));
  return { apps, nextPageToken };
}
