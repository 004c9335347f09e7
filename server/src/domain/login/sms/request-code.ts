import type { RequestSmsCodeRequest } from "@parley/proto/parley/v1/auth_service_pb.js";
import type { SmsCode, SmsGateway } from "../../../ports.js";
import type { Ctx } from "../../context.js";
import { DomainError, ErrorReason } from "../../errors.js";
import { appForLogin, limitAddress, limitSmsCodes } from "../limits.js";
import { acceptCode, newCode, releaseSend, reserveSend } from "./codes.js";
import { smsGatewayOf } from "./gateway.js";
import { smsText } from "./text.js";

/** When a code ends, and how long the next one has to wait. */
export interface SentCode {
  expireMs: number;
  resendDelayMs: number;
}

/** Sends a fresh code to a phone, whether or not its number has a user; see AuthService.RequestSmsCode. */
export async function requestSmsCode(ctx: Ctx, request: RequestSmsCodeRequest, address: string): Promise<SentCode> {
  const { phoneNumber, locale } = request;
  limitAddress(ctx, address);
  const app = await appForLogin(ctx, request.appId, request.clientKey);
  const gateway = smsGatewayOf(ctx, app);
  if (gateway === undefined)
    throw new DomainError(ErrorReason.LOGIN_DISABLED, "this app does not allow login by SMS", { field: "app_id" });
  await limitSmsCodes(ctx, app, address);
  const { appId, name } = app;
  const send = await ctx.committer.run(appId, (tx) => reserveSend(ctx, tx, app, phoneNumber));
  const code = newCode();
  const expireMs = send.sentMs + ctx.times.smsCodeMs;
  const text = smsText({ appName: name, code, locale, minutes: Math.ceil(ctx.times.smsCodeMs / 60_000) });
  try {
    await handOver(ctx, gateway, { appId, phoneNumber, code, locale, text, expireMs, requestId: ctx.newId() });
    await ctx.committer.run(appId, (tx) => acceptCode(ctx, tx, send, phoneNumber, code));
  } catch (error) {
    // Whatever became of this send, whoever asks again must not wait for it.
    await ctx.committer.run(appId, (tx) => releaseSend(tx, send)).catch(() => undefined);
    throw error;
  }
  return { expireMs, resendDelayMs: ctx.times.smsResendMs };
}

async function handOver(ctx: Ctx, gateway: SmsGateway, sms: SmsCode): Promise<void> {
  try {
    await ctx.outward(sms.appId, () => gateway.send(sms));
  } catch (cause) {
    if (cause instanceof DomainError) throw cause;
    const error = new DomainError(ErrorReason.SERVER_BUSY, "the app's SMS gateway does not take codes just now", {
      retryDelayMs: 5000,
      metadata: { cause: "SMS_GATEWAY" },
    });
    error.cause = cause;
    throw error;
  }
}
