import type { Message } from "@bufbuild/protobuf";
import type { AttributeTarget } from "@parley/proto/parley/v1/attributes_pb.js";
import { GroupRole } from "@parley/proto/parley/v1/group_pb.js";
import { ChangeKind } from "@parley/proto/parley/v1/stream_event_pb.js";
import type { Tx } from "../../store/committer.js";
import { findMember, type MemberRow, updateMember, updatePlace } from "../../store/members.js";
import type { Db } from "../../store/schema.js";
import { findUser, updateUser } from "../../store/users.js";
import { asMemberOfApp, asUser, type Caller, type ServiceCaller, type UserCaller } from "../caller.js";
import { DomainError, ErrorReason, notFound } from "../errors.js";
import { newEvent } from "../events.js";
import { GROUPS } from "../groups/group.js";
import { announceMember } from "../groups/member-event.js";
import { actorOf, asOrdinaryCaller } from "../ordinary.js";
import type { PlaceKind } from "../places/kind.js";
import { requireMember, requireRole, type Standing, standingIn } from "../places/standing.js";
import { announceRoomMember } from "../rooms/member-event.js";
import { ROOMS } from "../rooms/room.js";
import { emitUserChanged } from "../user-changed.js";

/** A thing that has attributes, as the caller stands to it. */
interface Target {
  attributes: Uint8Array | null;
  /** Throws when the caller may not see them. */
  mayRead(): void;
  /** Throws when the caller may not change them. */
  mayWrite(): void;
  /** Stores them and tells of the change. */
  write(tx: Tx, attributes: Buffer | null): Promise<void>;
}

type Find = (db: Db) => Promise<Target>;

/** Whom or what a call is about. Its rights are those of the calls that get and update the whole. */
export function targetOf(caller: Caller, named: AttributeTarget | undefined): { appId: string; find: Find } {
  const target = named?.target;
  switch (target?.case) {
    case "groupId":
      return placeTarget(asOrdinaryCaller(caller), GROUPS, target.value);
    case "roomId":
      return placeTarget(asOrdinaryCaller(caller), ROOMS, target.value);
    case "groupMember":
      return memberTarget(asOrdinaryCaller(caller), GROUPS, target.value.groupId, target.value.userId, announceMember);
    case "roomMember":
      return memberTarget(
        asOrdinaryCaller(caller),
        ROOMS,
        target.value.roomId,
        target.value.userId,
        announceRoomMember,
      );
    case "userId":
      return userTarget(asMemberOfApp(caller), target.value);
    default: {
      const self = asUser(caller);
      return userTarget(self, self.userId);
    }
  }
}

function userTarget(by: UserCaller | ServiceCaller, userId: string): { appId: string; find: Find } {
  const find: Find = async (db) => {
    const row = await findUser(db, by.appId, userId);
    if (row === undefined) throw notFound("user", "target.user_id");
    return {
      attributes: row.attributes,
      mayRead() {},
      mayWrite() {
        if (by.kind === "user" && by.userId !== userId)
          throw new DomainError(ErrorReason.ROLE_TOO_LOW, "a user changes its own attributes only", {
            field: "target.user_id",
          });
      },
      async write(tx, attributes) {
        await updateUser(tx, userId, { attributes });
        await emitUserChanged(tx, { ...row, attributes });
      },
    };
  };
  return { appId: by.appId, find };
}

function placeTarget<T extends Message>(
  by: UserCaller | ServiceCaller,
  kind: PlaceKind<T>,
  id: string,
): { appId: string; find: Find } {
  const find: Find = async (db) => {
    const standing = await standingIn(db, kind, id, by);
    const { place, actorUserId } = standing;
    return {
      attributes: place.attributes,
      mayRead() {
        if (!kind.openToView) requireMember(kind, standing);
      },
      mayWrite: () => requireRole(kind, standing, GroupRole.OWNER),
      async write(tx, attributes) {
        await updatePlace(tx, place.place, { attributes });
        const described = kind.describe({ ...place, attributes });
        const facts = { id, change: ChangeKind.UPDATED, place: described, actorUserId };
        tx.emit(newEvent(tx.nowMs, [place.place], kind.changed(facts)));
      },
    };
  };
  return { appId: by.appId, find };
}

function memberTarget(
  by: UserCaller | ServiceCaller,
  kind: PlaceKind,
  id: string,
  userId: string,
  announce: (tx: Tx, standing: Standing, member: MemberRow) => void,
): { appId: string; find: Find } {
  const find: Find = async (db) => {
    const standing = await standingIn(db, kind, id, by);
    const { place } = standing.place;
    requireMember(kind, standing);
    const member = await findMember(db, by.appId, place, userId);
    if (member === undefined)
      throw new DomainError(ErrorReason.NOT_MEMBER, `this user is not a member of the ${kind.word}`, {
        field: "user_id",
      });
    return {
      attributes: member.attributes,
      mayRead() {},
      mayWrite() {
        if (userId !== actorOf(by)) requireRole(kind, standing, GroupRole.ADMIN, "user_id");
      },
      async write(tx, attributes) {
        await updateMember(tx, place, userId, { attributes });
        announce(tx, standing, { ...member, attributes });
      },
    };
  };
  return { appId: by.appId, find };
}
