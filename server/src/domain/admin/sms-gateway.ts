import type { MessageInitShape } from "@bufbuild/protobuf";
import type { GetSmsGatewayResponseSchema, SetSmsGatewayRequest } from "@parley/proto/parley/v1/admin_service_pb.js";
import type { ServiceCaller } from "../caller.js";
import type { Ctx } from "../context.js";
import { sealSmsGateway, smsSettingOf } from "../login/sms/gateway.js";
import { findAppRecord } from "./app.js";
import { changeApp } from "./change-app.js";

/** Sets how codes reach the phones; see AdminService.SetSmsGateway. */
export async function setSmsGateway(ctx: Ctx, { appId }: ServiceCaller, request: SetSmsGatewayRequest): Promise<void> {
  const app = await findAppRecord(ctx, appId);
  await changeApp(ctx, appId, { smsGateway: sealSmsGateway(ctx, app, request.gateway) });
}

/** Gets the gateway in force without its secret; see AdminService.GetSmsGateway. */
export async function getSmsGateway(
  ctx: Ctx,
  { appId }: ServiceCaller,
): Promise<NonNullable<MessageInitShape<typeof GetSmsGatewayResponseSchema>["gateway"]>> {
  const setting = smsSettingOf(ctx, await findAppRecord(ctx, appId));
  if (setting.kind === "webhook") return { case: "webhook", value: { url: setting.url } };
  return { case: setting.kind, value: {} };
}
