import { isLoopback, networkOf } from "../../ops/address.js";
import { takeTry } from "../../store/tried.js";
import type { AppRecord } from "../apps.js";
import type { Ctx } from "../context.js";
import { DomainError, ErrorReason } from "../errors.js";

/** The app that a client names with its key. An unknown app and a wrong key get one answer. */
export async function appForLogin(ctx: Ctx, appId: string, clientKey: string): Promise<AppRecord> {
  const app = await ctx.apps.find(appId);
  if (app?.clientKey !== clientKey)
    throw new DomainError(ErrorReason.WRONG_CREDENTIAL, "the app id or the client key is wrong");
  return app;
}

/** How many times more all addresses together may try one account: guessing from many places slows down too. */
const EVERYWHERE = 5;
/** How many times more one address may come as somebody new. */
const NEWCOMERS = 10;

/** Takes one try to log in to an account. Sessions that are open never come here, so nobody can lock a user out of them. */
export async function limitTries(ctx: Ctx, app: AppRecord, account: string, address: string): Promise<void> {
  const { loginTries, loginWindowSeconds } = ctx.limits;
  const fromHere = { what: `login|${account}|${networkOf(address)}`, most: loginTries };
  const fromAnywhere = { what: `login|${account}`, most: loginTries * EVERYWHERE };
  for (const { what, most } of [fromHere, fromAnywhere]) take(ctx, `tries|${app.appId}|${what}`, most);
  await takeShared(ctx, app.appId, [fromHere, fromAnywhere], loginWindowSeconds);
}

/** Takes tries that all nodes count together, where there are several: this one's memory, which was asked first, knows a part of them. */
async function takeShared(
  ctx: Ctx,
  appId: string,
  tries: readonly { what: string; most: number }[],
  windowSeconds: number,
): Promise<void> {
  if (!ctx.shared) return;
  const retryDelayMs = await ctx.committer.run(appId, async (tx) => {
    for (const { what, most } of tries) {
      const waitMs = await takeTry(tx, ctx.secrets.mac(what), most, (windowSeconds * 1000) / most);
      if (waitMs > 0) return waitMs;
    }
    return 0;
  });
  if (retryDelayMs > 0) throw new DomainError(ErrorReason.RATE_LIMITED, "too many requests", { retryDelayMs });
}

/** Takes one try of an address, whatever app and account it is for: guessing at many accounts slows down too. Not counted on the loopback. */
export function limitAddress(ctx: Ctx, address: string): void {
  if (!isLoopback(address)) take(ctx, `address|${networkOf(address)}`, ctx.limits.loginTriesPerAddress);
}

/** Takes one try to come as somebody who has no account yet. Not counted on the loopback, where a backend or a test makes many. */
export function limitNewcomers(ctx: Ctx, app: AppRecord, address: string): void {
  if (!isLoopback(address)) take(ctx, `newcomer|${app.appId}|${networkOf(address)}`, ctx.limits.loginTries * NEWCOMERS);
}

/** Takes one try to have the third parties of an app asked. Not counted on the loopback, where a backend makes many. */
export function limitAsking(ctx: Ctx, app: AppRecord, address: string): void {
  if (!isLoopback(address)) take(ctx, `ask|${app.appId}|${networkOf(address)}`, ctx.limits.loginTries * NEWCOMERS);
}

/** Takes one code that an address may have sent, whatever app and number it is for; by all nodes together, of each app. Not counted on the loopback. */
export async function limitSmsCodes(ctx: Ctx, app: AppRecord, address: string): Promise<void> {
  const most = ctx.limits.smsCodesPerAddressHour;
  if (isLoopback(address)) return;
  const what = `sms|${networkOf(address)}`;
  ctx.buckets.take(what, most / 3600, most);
  await takeShared(ctx, app.appId, [{ what, most }], 3600);
}

function take(ctx: Ctx, key: string, tries: number): void {
  ctx.buckets.take(key, tries / ctx.limits.loginWindowSeconds, tries);
}
