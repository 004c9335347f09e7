import type { App } from "@parley/proto/parley/v1/app_pb.js";
import type { UpdateAppRequest } from "@parley/proto/parley/v1/operator_service_pb.js";
import type { OperatorCaller } from "../caller.js";
import type { Ctx } from "../context.js";
import { appOf } from "./app.js";
import { changeApp } from "./change-app.js";

/** Changes an app's name and settings; see OperatorService.UpdateApp. */
export async function updateApp(ctx: Ctx, _caller: OperatorCaller, request: UpdateAppRequest): Promise<App> {
  const { appId, name, settings } = request;
  return appOf(await changeApp(ctx, appId, { name, settings }));
}
