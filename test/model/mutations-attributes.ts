import type { TestUser } from "../support/index.js";
import { newGroup, newRoom } from "../support/messaging.js";
import { befriend, caseList, data, repeated } from "./mutations-case.js";

const { cases, mutation, silent } = caseList();

/** Attributes of everything that has them, and what else belongs to users. */
export const ATTRIBUTES = cases;

const ofGroup = (value: string) => ({ target: { case: "groupId" as const, value } });
const ofRoom = (value: string) => ({ target: { case: "roomId" as const, value } });
const ofGroupMember = (groupId: string, { userId }: TestUser) => ({
  target: { case: "groupMember" as const, value: { groupId, userId } },
});
const ofRoomMember = (roomId: string, { userId }: TestUser) => ({
  target: { case: "roomMember" as const, value: { roomId, userId } },
});

mutation("UserService.UpdateAttributes", "one's own, with a friend", 2, async ({ tom, jerry }) => {
  await befriend(tom, jerry);
  await tom.rpc.user.updateAttributes({ attributes: { kept: 1, gone: 2, deep: { kept: true, gone: true } } });
  return () => tom.rpc.user.updateAttributes({ attributes: { gone: null, deep: { gone: null, made: [1] } } });
});
mutation("UserService.UpdateAttributes", "by nothing new", 0, async ({ tom }) => {
  const call = () => tom.rpc.user.updateAttributes({ attributes: { a: 1, b: null } });
  return await repeated(call);
});
mutation("UserService.UpdateAttributes", "of a group", 2, async ({ tom, jerry }) => {
  const target = ofGroup(await newGroup(tom, [jerry]));
  return () => tom.rpc.user.updateAttributes({ target, attributes: data("x") });
});
mutation("UserService.UpdateAttributes", "of a room", 2, async ({ tom, jerry }) => {
  const target = ofRoom(await newRoom(tom, [jerry]));
  return () => tom.rpc.user.updateAttributes({ target, attributes: data("x") });
});
mutation("UserService.UpdateAttributes", "of a member of a group, by itself", 2, async ({ tom, jerry }) => {
  const target = ofGroupMember(await newGroup(tom, [jerry]), jerry);
  return () => jerry.rpc.user.updateAttributes({ target, attributes: data("x") });
});
mutation("UserService.UpdateAttributes", "of a member of a room, by its creator", 3, async ({ tom, jerry, spike }) => {
  const target = ofRoomMember(await newRoom(tom, [jerry, spike]), jerry);
  return () => tom.rpc.user.updateAttributes({ target, attributes: data("x") });
});
mutation("UserService.ReplaceAttributes", "one's own, with a friend", 2, async ({ tom, jerry }) => {
  await befriend(tom, jerry);
  await tom.rpc.user.updateAttributes({ attributes: { gone: 1 } });
  return () => tom.rpc.user.replaceAttributes({ attributes: data("x") });
});
mutation("UserService.ReplaceAttributes", "of a member of a room, by itself", 2, async ({ tom, jerry }) => {
  const target = ofRoomMember(await newRoom(tom, [jerry]), jerry);
  return () => jerry.rpc.user.replaceAttributes({ target, attributes: data("x") });
});
mutation("UserService.ReplaceAttributes", "by what they are", 0, ({ tom }) =>
  repeated(() => tom.rpc.user.replaceAttributes({ attributes: data("x") })),
);
mutation("UserService.ClearAttributes", "of a group, by the backend", 2, async ({ backend, tom, jerry }) => {
  const target = ofGroup(await newGroup(tom, [jerry]));
  await tom.rpc.user.updateAttributes({ target, attributes: data("x") });
  return () => backend.user.clearAttributes({ target });
});
mutation(
  "UserService.ClearAttributes",
  "where there are none",
  0,
  async ({ tom }) =>
    () =>
      tom.rpc.user.clearAttributes({}),
);
mutation(
  "FriendService.BatchAddFriends",
  "a new one, a present one and an unknown one",
  2,
  async ({ tom, jerry, spike }) => {
    await befriend(tom, jerry);
    const userIds = [jerry.userId, spike.userId, "nobody-of-that-name"];
    return () => tom.rpc.friend.batchAddFriends({ userIds });
  },
);
silent(
  "UserService.UpdatePresenceSettings",
  async ({ tom }) =>
    () =>
      tom.rpc.user.updatePresenceSettings({ invisible: true }),
);
