import type { App } from "@parley/proto/parley/v1/app_pb.js";
import type { OperatorCaller } from "../caller.js";
import type { Ctx } from "../context.js";
import { appOf, findAppRecord } from "./app.js";

/** Gets an app; see OperatorService.GetApp. */
export async function getApp(ctx: Ctx, _caller: OperatorCaller, appId: string): Promise<App> {
  return appOf(await findAppRecord(ctx, appId));
}
