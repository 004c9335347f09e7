import type { OauthProvider } from "@parley/proto/parley/v1/oauth_provider_pb.js";
import type { ServiceCaller } from "../caller.js";
import type { Ctx } from "../context.js";
import { packProviders, providersOf } from "../login/oauth/providers.js";
import { findAppRecord } from "./app.js";
import { changeApp } from "./change-app.js";

/** Replaces the third parties whose word a login may rest on; see AdminService.SetOauthProviders. */
export async function setOauthProviders(
  ctx: Ctx,
  { appId }: ServiceCaller,
  providers: readonly OauthProvider[],
): Promise<void> {
  await changeApp(ctx, appId, { oauthProviders: packProviders(ctx, providers) });
}

/** Lists them; see AdminService.ListOauthProviders. */
export async function listOauthProviders(ctx: Ctx, { appId }: ServiceCaller): Promise<OauthProvider[]> {
  return providersOf(await findAppRecord(ctx, appId));
}
