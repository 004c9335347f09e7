import { create } from "@bufbuild/protobuf";
import { type PresenceSettings, PresenceSettingsSchema } from "@parley/proto/parley/v1/user_pb.js";
import type { UpdatePresenceSettingsRequest } from "@parley/proto/parley/v1/user_service_pb.js";
import { EVERYONE } from "../../store/audience.js";
import { findUser, type UserRow, updateUser } from "../../store/users.js";
import { asUser, type Caller, type UserCaller } from "../caller.js";
import type { Ctx } from "../context.js";
import { DomainError, ErrorReason, notFound } from "../errors.js";
import { publishPresence } from "../presence-events.js";
import { findSelf } from "../self.js";

/** Gets how the caller wants to be shown; see UserService.GetPresenceSettings. */
export async function getPresenceSettings(ctx: Ctx, caller: Caller): Promise<PresenceSettings> {
  return settingsOf(await findSelf(ctx, asUser(caller)));
}

/** Changes how the caller is shown, on all its devices at once; see UserService.UpdatePresenceSettings. */
export async function updatePresenceSettings(
  ctx: Ctx,
  caller: Caller,
  { notifyEveryone, invisible }: UpdatePresenceSettingsRequest,
): Promise<PresenceSettings> {
  const by = asUser(caller);
  const app = await ctx.apps.find(by.appId);
  if (notifyEveryone === true && app?.rules.allowNotifyEveryone !== true)
    throw new DomainError(ErrorReason.ROLE_TOO_LOW, "this app lets nobody tell everyone", { field: "notify_everyone" });
  takeChangeOfSettings(ctx, by);
  let shown: Promise<void> | undefined;
  const settings = await ctx.committer.run(by.appId, async (tx) => {
    const old = await findUser(tx.db, by.appId, by.userId);
    if (old === undefined) throw notFound("user", "");
    const next = {
      notify_everyone: flag(notifyEveryone) ?? old.notify_everyone,
      invisible: flag(invisible) ?? old.invisible,
    };
    if (next.notify_everyone === old.notify_everyone && next.invisible === old.invisible) return settingsOf(old);
    await updateUser(tx, by.userId, next);
    tx.afterCommit(() => {
      shown = show(ctx, old, next);
    });
    return settingsOf(next);
  });
  await shown;
  return settings;
}

type Settings = Pick<UserRow, "notify_everyone" | "invisible">;

const flag = (value: boolean | undefined) => (value === undefined ? undefined : Number(value));

function settingsOf(row: Settings): PresenceSettings {
  return create(PresenceSettingsSchema, {
    notifyEveryone: row.notify_everyone === 1,
    invisible: row.invisible === 1,
  });
}

/** Lets others see it. Who stops telling everyone is gone for those who are no friends. */
async function show(ctx: Ctx, old: UserRow, next: Settings): Promise<void> {
  const { app_id: appId, user_id: userId } = old;
  const hidden = next.invisible === old.invisible ? undefined : ctx.presence.hide(appId, userId, next.invisible === 1);
  if (next.notify_everyone !== old.notify_everyone) tellEveryone(ctx, old, next);
  await hidden;
}

function tellEveryone(ctx: Ctx, old: UserRow, next: Settings): void {
  const { app_id: appId, user_id: userId } = old;
  const online = next.notify_everyone === 1;
  // Whatever they were told last: a change that is held back would be told to friends alone.
  if (!online || ctx.presence.of({ ...old, ...next }).online)
    publishPresence(ctx.bus, { appId, userId, online, atMs: ctx.clock.now() }, [EVERYONE]);
}

/** Each change may reach every stream of the app, so it has a measure of its own. Throws RATE_LIMITED. */
function takeChangeOfSettings(ctx: Ctx, by: UserCaller): void {
  if (by.sessionId === undefined || ctx.sendsPerSecond === 0) return;
  const perSecond = 1000 / ctx.times.presenceSettingsMs;
  ctx.buckets.take(`shown|${by.appId}|${by.userId}`, perSecond, ctx.limits.presenceSettingsBurst);
}
