import type { SmsCredential } from "@parley/proto/parley/v1/auth_service_pb.js";
import type { AppRecord } from "../../apps.js";
import type { Ctx } from "../../context.js";
import { DomainError, ErrorReason } from "../../errors.js";
import type { Proof } from "../admit-user.js";
import { useCode } from "./codes.js";
import { smsGatewayOf } from "./gateway.js";

/** Takes a phone number and its code for a proof; see SmsCredential. Every code that is not good gets one answer. */
export function proveSms(ctx: Ctx, app: AppRecord, { phoneNumber, code }: SmsCredential): Proof {
  if (smsGatewayOf(ctx, app) === undefined)
    throw new DomainError(ErrorReason.LOGIN_DISABLED, "this app does not allow login by SMS", { field: "sms" });
  return {
    kind: "sms",
    name: phoneNumber,
    async take(tx) {
      if (await useCode(ctx, tx, phoneNumber, code)) return undefined;
      return new DomainError(ErrorReason.WRONG_CREDENTIAL, "the phone number or the code is wrong", { field: "sms" });
    },
  };
}
