import type { AppSettings } from "@parley/proto/parley/v1/app_pb.js";
import type { ServiceCaller } from "../caller.js";
import type { Ctx } from "../context.js";
import { findAppRecord, settingsOf } from "./app.js";
import { changeApp } from "./change-app.js";

/** Gets the settings in force; see AdminService.GetSettings. */
export async function getSettings(ctx: Ctx, caller: ServiceCaller): Promise<AppSettings> {
  return settingsOf((await findAppRecord(ctx, caller.appId)).rules);
}

/** Changes the settings that are set; see AdminService.UpdateSettings. */
export async function updateSettings(
  ctx: Ctx,
  caller: ServiceCaller,
  settings: AppSettings | undefined,
): Promise<AppSettings> {
  return settingsOf((await changeApp(ctx, caller.appId, { settings })).rules);
}
