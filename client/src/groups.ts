import type { JsonObject } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { Group, GroupMember, GroupRole, JoinPolicy } from "@parley/proto/parley/v1/group_pb.js";
import { View } from "@parley/proto/parley/v1/user_pb.js";
import { type Attributes, createAttributes } from "./attributes.js";
import { allPages, type DetailOptions, type PageOptions, present } from "./page.js";
import type { Rpc } from "./rpc.js";
import { type SearchOptions, searchRequest } from "./search.js";

/** What a new group is like. */
export interface NewGroup {
  /** The name to show, at most 256 bytes. */
  readonly name?: string;
  /** The first members; the caller is one in any case. */
  readonly memberUserIds?: readonly string[];
  readonly attributes?: JsonObject;
  /** By default anybody may join. */
  readonly joinPolicy?: JoinPolicy;
  /** Whether a member may read what was said before it joined; by default not. */
  readonly historyForNewMembers?: boolean;
  /** The idempotency key: a repeat within 24 h returns the first answer. */
  readonly requestId?: string;
}

/** What changes in a group; what is absent stays. */
export type GroupChange = Omit<NewGroup, "memberUserIds" | "requestId">;

/** What changes in a membership; what is absent stays. */
export interface GroupMemberChange {
  readonly role?: GroupRole;
  readonly alias?: string;
  readonly attributes?: JsonObject;
  /** The time until which the member may not send; a past time unmutes. */
  readonly muteUntil?: Date;
}

/** Groups. Errors of all: NOT_FOUND, NOT_MEMBER, ROLE_TOO_LOW. */
export interface Groups {
  /** Makes a group with the caller as its owner. Errors: MEMBER_LIMIT, IDEMPOTENCY_CONFLICT. */
  create(group: NewGroup): Promise<Group>;
  /** Gets a group with its members. */
  get(groupId: string): Promise<Group>;
  /** Lists one page of the caller's groups by rising id. */
  list(options?: PageOptions & DetailOptions): Promise<{ groups: Group[]; nextPageToken: string }>;
  /** Finds one page of groups, without their members; those one is a member of, and those open to all. Errors: RATE_LIMITED, INVALID_FIELD, TOO_LARGE. */
  search(options: SearchOptions): Promise<{ groups: Group[]; nextPageToken: string }>;
  /** The attributes of a group; the owner's to change. */
  attributes(groupId: string): Attributes;
  /** The attributes of a membership: its card; the member's own to change, and the owner's and admins'. */
  memberAttributes(groupId: string, userId: string): Attributes;
  /** Gets all the caller's groups, and keeps them in `currentUser.groups`. */
  fetch(options?: DetailOptions): Promise<Group[]>;
  /** Changes a group; the owner's. */
  update(groupId: string, change: GroupChange): Promise<Group>;
  /** Dissolves a group with its history; the owner's. */
  delete(groupId: string): Promise<void>;
  /** Adds members, all or none; members already stay as they are. Errors: MEMBER_LIMIT. */
  addMembers(groupId: string, userIds: readonly string[]): Promise<Group>;
  /** Removes members, all or none; the owner's and admins'. Errors: OWNER_CANNOT_BE_REMOVED. */
  removeMembers(groupId: string, userIds: readonly string[]): Promise<Group>;
  /** Makes the members exactly these and the owner; the owner's. */
  replaceMembers(groupId: string, userIds: readonly string[]): Promise<Group>;
  /** Lists one page of the members in the order of joining. */
  listMembers(groupId: string, page?: PageOptions): Promise<{ members: GroupMember[]; nextPageToken: string }>;
  /** Changes a membership: one's own alias and attributes; others' and the mute by owner and admins; the role by the owner. */
  updateMember(groupId: string, userId: string, change: GroupMemberChange): Promise<GroupMember>;
  /** Gives the group to another member; the owner's. */
  transfer(groupId: string, userId: string): Promise<Group>;
  /** Joins a group that is open. Errors: MEMBER_LIMIT. */
  join(groupId: string): Promise<Group>;
  /** Leaves a group; no member: the same answer. Errors: OWNER_CANNOT_BE_REMOVED. */
  leave(groupId: string): Promise<void>;
}

/** Makes the calls about groups. `onFetched` is handed what `fetch` brings. */
export function createGroups(
  rpc: Pick<Rpc, "group" | "user">,
  onFetched: (groups: Group[]) => void = () => {},
): Groups {
  const { group } = rpc;
  const view = (detail = false) => (detail ? View.FULL : View.BASIC);
  return {
    create: async ({ memberUserIds = [], ...rest }) =>
      present((await group.createGroup({ ...rest, memberUserIds: [...memberUserIds] })).group),
    get: async (groupId) => present((await group.getGroup({ groupId })).group),
    list: ({ detail, ...page } = {}) => group.listGroups({ ...page, view: view(detail) }),
    async fetch({ detail } = {}) {
      const groups = await allPages(async (page) => {
        const { groups: items, nextPageToken } = await group.listGroups({ ...page, view: view(detail) });
        return { items, nextPageToken };
      });
      onFetched(groups);
      return groups;
    },
    search: (options) => group.searchGroups(searchRequest(options)),
    attributes: (groupId) => createAttributes(rpc, { case: "groupId", value: groupId }),
    memberAttributes: (groupId, userId) => createAttributes(rpc, { case: "groupMember", value: { groupId, userId } }),
    update: async (groupId, change) => present((await group.updateGroup({ ...change, groupId })).group),
    delete: async (groupId) => void (await group.deleteGroup({ groupId })),
    addMembers: async (groupId, userIds) =>
      present((await group.addGroupMembers({ groupId, userIds: [...userIds] })).group),
    removeMembers: async (groupId, userIds) =>
      present((await group.removeGroupMembers({ groupId, userIds: [...userIds] })).group),
    replaceMembers: async (groupId, userIds) =>
      present((await group.replaceGroupMembers({ groupId, userIds: [...userIds] })).group),
    listMembers: (groupId, page = {}) => group.listGroupMembers({ ...page, groupId }),
    async updateMember(groupId, userId, { muteUntil, ...change }) {
      const muteUntilTime = muteUntil && { muteUntilTime: timestampFromDate(muteUntil) };
      return present((await group.updateGroupMember({ ...change, ...muteUntilTime, groupId, userId })).member);
    },
    transfer: async (groupId, userId) => present((await group.transferGroup({ groupId, userId })).group),
    join: async (groupId) => present((await group.joinGroup({ groupId })).group),
    leave: async (groupId) => void (await group.leaveGroup({ groupId })),
  };
}
