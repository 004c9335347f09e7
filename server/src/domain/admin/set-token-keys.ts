import type { TokenKey } from "@parley/proto/parley/v1/admin_service_pb.js";
import type { ServiceCaller } from "../caller.js";
import type { Ctx } from "../context.js";
import { sealTokenKeys } from "../login/token-keys.js";
import { changeApp } from "./change-app.js";

/** Replaces the keys that signed tokens are checked with; see AdminService.SetTokenKeys. */
export async function setTokenKeys(ctx: Ctx, caller: ServiceCaller, keys: readonly TokenKey[]): Promise<void> {
  await changeApp(ctx, caller.appId, { tokenKeys: sealTokenKeys(ctx, keys) });
}
