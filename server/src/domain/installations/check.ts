import { type Installation, PushProvider } from "@parley/proto/parley/v1/installation_pb.js";
import type { Ctx } from "../context.js";
import { DomainError, ErrorReason, invalidField, tooLarge } from "../errors.js";

/** Refuses a push token that its provider cannot have given. Throws INVALID_FIELD, TOO_LARGE, UNSUPPORTED. */
export function checkInstallation(ctx: Pick<Ctx, "limits">, installation: Installation | undefined): void {
  if (installation === undefined || installation.pushToken === "") return;
  const { pushProvider, pushToken } = installation;
  switch (pushProvider) {
    case PushProvider.APNS:
      if (!/^([0-9A-Fa-f]{2})+$/.test(pushToken))
        throw invalidField("installation.push_token", "an APNs token is an even number of hexadecimal digits");
      if (pushToken.length > ctx.limits.apnsTokenDigits)
        throw tooLarge("installation.push_token", ctx.limits.apnsTokenDigits, "hexadecimal digits");
      return;
    case PushProvider.FCM:
      if (!/^[\x21-\x7e]+$/.test(pushToken))
        throw invalidField("installation.push_token", "an FCM token is printable ASCII without spaces");
      return;
    case PushProvider.WEB_PUSH:
      throw new DomainError(ErrorReason.UNSUPPORTED, "this version does not offer Web Push", {
        field: "installation.push_provider",
      });
    default:
      throw invalidField("installation.push_provider", "a push token needs the provider it is of");
  }
}
