import { create } from "@bufbuild/protobuf";
import { type UserDetail, UserDetailSchema } from "@parley/proto/parley/v1/user_detail_pb.js";
import { idOf } from "../../store/audience.js";
import { listCredentials } from "../../store/exports.js";
import { countFriends, listFriends } from "../../store/friends.js";
import { countPlacesOf, listPlacesOf } from "../../store/members.js";
import type { Db } from "../../store/schema.js";
import { listSessions, type SessionRow } from "../../store/sessions.js";
import { snapshot } from "../../store/snapshot.js";
import { findUser } from "../../store/users.js";
import type { ServiceCaller } from "../caller.js";
import type { Ctx } from "../context.js";
import { countAllUnread } from "../conversations.js";
import { notFound } from "../errors.js";
import { sessionOf } from "../login/list-sessions.js";
import { userOf } from "../user.js";
import { presenceOf } from "../users/presence.js";

const SHOWN = 100;

/** All there is to know of one user at a glance; see AdminService.GetUserDetail. */
export async function getUserDetail(ctx: Ctx, { appId }: ServiceCaller, userId: string): Promise<UserDetail> {
  const detail = await snapshot(ctx.read, (db) => readDetail(ctx, db, appId, userId));
  // Counting may take long, so it has a snapshot of its own.
  detail.unreadTotal = await countAllUnread(ctx, { appId, userId });
  return detail;
}

async function readDetail(ctx: Ctx, db: Db, appId: string, userId: string): Promise<UserDetail> {
  const user = await findUser(db, appId, userId);
  if (user === undefined) throw notFound("user", "user_id");
  const rows = await listSessions(db, appId, userId, undefined, ctx.limits.sessionsPerUser);
  const sessions = rows.map((row) => sessionOf(ctx, row));
  const placeIds = async (kind: "g:" | "r:") =>
    (await listPlacesOf(db, appId, userId, kind, "", SHOWN)).map(({ place }) => idOf(place));
  const { online, lastActiveTime } = presenceOf(ctx, user);
  return create(UserDetailSchema, {
    user: userOf(user),
    online,
    ...(lastActiveTime && { lastActiveTime }),
    sessions,
    liveSessionCount: sessions.filter((session) => session.online).length,
    installations: installationsOf(rows),
    friendUserIds: (await listFriends(db, appId, userId, "", SHOWN)).map(({ friend_id }) => friend_id),
    friendCount: await countFriends(db, appId, userId),
    groupIds: await placeIds("g:"),
    groupCount: await countPlacesOf(db, appId, userId, "g:"),
    roomIds: await placeIds("r:"),
    roomCount: await countPlacesOf(db, appId, userId, "r:"),
    credentialKinds: [...new Set((await listCredentials(db, appId, userId)).map(({ kind }) => kind))],
  });
}

function installationsOf(rows: readonly SessionRow[]) {
  const named = rows.filter((row) => row.installation_id !== "");
  return named.map((row) => ({ installationId: row.installation_id, platform: row.platform }));
}
