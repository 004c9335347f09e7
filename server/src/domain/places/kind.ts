import type { Message } from "@bufbuild/protobuf";
import type { GenMessage } from "@bufbuild/protobuf/codegenv2";
import type { GroupRole } from "@parley/proto/parley/v1/group_pb.js";
import type { ChangeKind } from "@parley/proto/parley/v1/stream_event_pb.js";
import type { MemberRow, PlaceRow } from "../../store/members.js";
import type { Ctx } from "../context.js";
import type { newEvent } from "../events.js";

type EventCase = Parameters<typeof newEvent>[2];

/** A change of a place, for its event. The actor is empty when the app's backend did it. */
interface PlaceChange<T> {
  id: string;
  change: ChangeKind;
  place: T | undefined;
  actorUserId: string;
}

/** Members that came or went, for the event. */
interface MembersChange {
  id: string;
  change: ChangeKind;
  userIds: string[];
  actorUserId: string;
  memberCount: number;
}

/** What sets groups and rooms apart; all else they share. T is the place in the contract, M one membership. */
export interface PlaceKind<T extends Message = Message, M extends Message = Message> {
  readonly word: "group" | "room";
  /** The field that names the place in requests. */
  readonly idField: "group_id" | "room_id";
  readonly prefix: "g:" | "r:";
  readonly schema: GenMessage<T>;
  /** Whether what is said there is kept, in a conversation that members can list. */
  readonly keepsMessages: boolean;
  /** Whether one who is no member may look at it. */
  readonly openToView: boolean;
  /** Whether its owner (of a room: its creator) is always a member. */
  readonly ownerStays: boolean;
  /** The role it takes to remove others. */
  readonly removingRole: GroupRole;
  /** The role it takes to add others. */
  addingRole(place: PlaceRow): GroupRole;
  /** Whether anybody may add itself. */
  openToJoin(place: PlaceRow): boolean;
  /** The largest number of members. */
  mostMembers(ctx: Ctx, appId: string): Promise<number>;
  /** The place in the form of the contract, with its members when they are given. */
  describe(place: PlaceRow, memberUserIds?: readonly string[]): T;
  /** The place as its id alone. */
  mention(id: string): T;
  describeMember(member: MemberRow, nowMs: number): M;
  changed(facts: PlaceChange<T>): EventCase;
  membersChanged(facts: MembersChange): EventCase;
}
