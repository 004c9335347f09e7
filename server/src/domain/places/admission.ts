import { UserKind } from "@parley/proto/parley/v1/user_pb.js";
import type { Tx } from "../../store/committer.js";
import { findCrowdedUsers } from "../../store/members.js";
import { findUserKinds } from "../../store/users.js";
import { notFound } from "../errors.js";
import { memberLimit } from "../member-limit.js";
import { guestRefused } from "../ordinary.js";

/** The bounds on joining. */
export interface Bounds {
  /** The most members of the place. */
  members: number;
  /** The most places of one user. */
  placesOfUser: number;
}

/** How errors name the users of a request. */
export interface Fields {
  /** The field of all of them. */
  all: string;
  /** The field of one of them. */
  of(userId: string): string;
}

/** The fields of users named in a list. */
export function listFields(list: string, userIds: readonly string[]): Fields {
  return {
    all: list,
    of(userId) {
      const at = userIds.indexOf(userId);
      return at < 0 ? "" : `${list}[${at}]`;
    },
  };
}

/** Refuses to let users into a place that has `present` members, unless all of them may come. */
export async function checkNewcomers(
  tx: Tx,
  present: number,
  userIds: readonly string[],
  bounds: Bounds,
  fields: Fields,
): Promise<void> {
  const kinds = await findUserKinds(tx.db, tx.appId, userIds);
  for (const userId of userIds) {
    const kind = kinds.get(userId);
    if (kind === undefined) throw notFound("user", fields.of(userId));
    if (kind === UserKind.GUEST) throw guestRefused(fields.of(userId));
  }
  if (present + userIds.length > bounds.members)
    throw memberLimit("this is more members than allowed", fields.all, bounds.members);
  const crowded = await findCrowdedUsers(tx.db, tx.appId, userIds, bounds.placesOfUser);
  for (const userId of userIds)
    if (crowded.has(userId))
      throw memberLimit("this user is in as many groups and rooms as allowed", fields.of(userId), bounds.placesOfUser);
}
