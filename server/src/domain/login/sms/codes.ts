import { randomInt, timingSafeEqual } from "node:crypto";
import type { Tx } from "../../../store/committer.js";
import {
  deleteSmsNumber,
  findSmsDay,
  findSmsNumber,
  putSmsDay,
  putSmsNumber,
  type SmsNumber,
} from "../../../store/sms.js";
import type { AppRecord } from "../../apps.js";
import type { Ctx } from "../../context.js";
import { DomainError, ErrorReason } from "../../errors.js";

type CodeCtx = Pick<Ctx, "secrets" | "limits" | "times">;

/** A send that was counted and has not happened yet. */
export interface ReservedSend {
  numberHash: string;
  /** What was known of the number before. */
  before: SmsNumber | undefined;
  sentMs: number;
}

export function newCode(): string {
  return String(randomInt(1_000_000)).padStart(6, "0");
}

/** Counts a send to a number for the number and the app. The code before it stays good. Throws RATE_LIMITED. */
export async function reserveSend(ctx: CodeCtx, tx: Tx, app: AppRecord, phoneNumber: string): Promise<ReservedSend> {
  const { smsDayMs, smsResendMs } = ctx.times;
  const { nowMs } = tx;
  const numberHash = ctx.secrets.mac("sms number", tx.appId, phoneNumber);
  const before = await findSmsNumber(tx, numberHash);
  if (before !== undefined && nowMs < before.sent_ms + smsResendMs)
    throw tooMany("a code was sent to this number just now", 1, before.sent_ms + smsResendMs - nowMs);
  const today = before !== undefined && nowMs < before.day_ms + smsDayMs ? before : { day_ms: nowMs, day_sent: 0 };
  const most = ctx.limits.smsCodesPerNumberDay;
  if (today.day_sent >= most)
    throw tooMany("no more codes can be sent to this number today", most, today.day_ms + smsDayMs - nowMs);
  await countForApp(ctx, tx, app.rules.smsCodesPerDay);
  await putSmsNumber(tx, {
    number_hash: numberHash,
    code_hash: before?.code_hash ?? null,
    code_expire_ms: before?.code_expire_ms ?? 0,
    tries: before?.tries ?? 0,
    sent_ms: nowMs,
    day_ms: today.day_ms,
    day_sent: today.day_sent + 1,
    expire_ms: Math.max(today.day_ms + smsDayMs, nowMs + ctx.times.smsCodeMs),
  });
  return { numberHash, before, sentMs: nowMs };
}

async function countForApp(ctx: CodeCtx, tx: Tx, most: number): Promise<void> {
  const { smsDayMs } = ctx.times;
  const known = await findSmsDay(tx);
  const today = known !== undefined && tx.nowMs < known.day_ms + smsDayMs ? known : { day_ms: tx.nowMs, day_sent: 0 };
  if (today.day_sent >= most)
    throw new DomainError(ErrorReason.RATE_LIMITED, "this app sends no more codes today", {
      retryDelayMs: today.day_ms + smsDayMs - tx.nowMs,
      metadata: { limit: String(most) },
    });
  await putSmsDay(tx, { day_ms: today.day_ms, day_sent: today.day_sent + 1 });
}

/** Makes a code that was sent the one that is good. */
export async function acceptCode(
  ctx: CodeCtx,
  tx: Tx,
  { numberHash, sentMs }: ReservedSend,
  phoneNumber: string,
  code: string,
): Promise<void> {
  const number = await findSmsNumber(tx, numberHash);
  if (number?.sent_ms !== sentMs) return;
  const code_hash = ctx.secrets.mac("sms code", tx.appId, phoneNumber, code);
  await putSmsNumber(tx, { ...number, code_hash, code_expire_ms: sentMs + ctx.times.smsCodeMs, tries: 0 });
}

/** Takes back the count of a send that did not happen. What became of the code before it meanwhile stays so. */
export async function releaseSend(tx: Tx, { numberHash, before, sentMs }: ReservedSend): Promise<void> {
  const number = await findSmsNumber(tx, numberHash);
  if (number?.sent_ms !== sentMs) return;
  if (before === undefined) await deleteSmsNumber(tx, numberHash);
  else {
    const { sent_ms, day_ms, day_sent, expire_ms } = before;
    await putSmsNumber(tx, { ...number, sent_ms, day_ms, day_sent, expire_ms });
  }
  const day = await findSmsDay(tx);
  if (day !== undefined) await putSmsDay(tx, { ...day, day_sent: day.day_sent - 1 });
}

/** Uses up the code of a number. A wrong one counts as a try, so the refusal must be given and not thrown; the last try ends the code. */
export async function useCode(ctx: CodeCtx, tx: Tx, phoneNumber: string, code: string): Promise<boolean> {
  const given = ctx.secrets.mac("sms code", tx.appId, phoneNumber, code);
  const number = await findSmsNumber(tx, ctx.secrets.mac("sms number", tx.appId, phoneNumber));
  if (number === undefined || number.code_hash === null || number.code_expire_ms <= tx.nowMs) return false;
  const right = timingSafeEqual(Buffer.from(number.code_hash), Buffer.from(given));
  const tries = number.tries + 1;
  const over = right || tries >= ctx.limits.smsCodeTries;
  await putSmsNumber(tx, { ...number, tries, code_hash: over ? null : number.code_hash });
  return right;
}

function tooMany(message: string, limit: number, retryDelayMs: number): DomainError {
  return new DomainError(ErrorReason.RATE_LIMITED, message, {
    field: "phone_number",
    retryDelayMs,
    metadata: { limit: String(limit) },
  });
}
