import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { GroupRole, JoinPolicy } from "@parley/proto/parley/v1/group_pb.js";
import { newGroup, say, toGroup } from "../support/messaging.js";
import { caseList, data, repeated } from "./mutations-case.js";

const { cases, mutation } = caseList();

/** Groups. */
export const GROUPS = cases;

// Groups

mutation(
  "GroupService.CreateGroup",
  "with everything",
  3,
  async ({ tom, jerry, spike }) =>
    () =>
      tom.rpc.group.createGroup({
        name: "friends",
        memberUserIds: [spike.userId, jerry.userId, tom.userId],
        attributes: data("x"),
        joinPolicy: JoinPolicy.APPROVAL,
        historyForNewMembers: true,
      }),
);
mutation(
  "GroupService.CreateGroup",
  "by the backend alone",
  2,
  async ({ backend, tom, jerry }) =>
    () =>
      backend.group.createGroup({ memberUserIds: [jerry.userId, tom.userId] }),
);
mutation("GroupService.CreateGroup", "a repeat", 0, ({ tom, jerry }) =>
  repeated(() => tom.rpc.group.createGroup({ memberUserIds: [jerry.userId], requestId: "same" })),
);
mutation("GroupService.UpdateGroup", "all its fields", 2, async ({ tom, jerry }) => {
  const groupId = await newGroup(tom, [jerry]);
  return () =>
    tom.rpc.group.updateGroup({
      groupId,
      name: "renamed",
      attributes: data("y"),
      joinPolicy: JoinPolicy.INVITE,
      historyForNewMembers: true,
    });
});
mutation(
  "GroupService.UpdateGroup",
  "so that a late member may read what was said before",
  2,
  async ({ tom, jerry }) => {
    const groupId = await newGroup(tom, []);
    for (const words of ["one", "two"]) await say(tom, toGroup(groupId), words);
    await jerry.rpc.group.joinGroup({ groupId });
    await say(tom, toGroup(groupId), "three");
    return () => tom.rpc.group.updateGroup({ groupId, historyForNewMembers: true });
  },
);
mutation("GroupService.UpdateGroup", "to what it is", 0, async ({ tom, jerry }) => {
  const groupId = await newGroup(tom, [jerry]);
  return () => tom.rpc.group.updateGroup({ groupId, name: "group" });
});
mutation("GroupService.DeleteGroup", "with all that was said", 2, async ({ tom, jerry }) => {
  const groupId = await newGroup(tom, [jerry]);
  await say(tom, toGroup(groupId), "gone soon");
  return () => tom.rpc.group.deleteGroup({ groupId });
});
mutation(
  "GroupService.AddGroupMembers",
  "a new one and a present one, after something was said",
  3,
  async ({ tom, jerry, spike }) => {
    const groupId = await newGroup(tom, [jerry]);
    await say(tom, toGroup(groupId), "before");
    return () => tom.rpc.group.addGroupMembers({ groupId, userIds: [spike.userId, jerry.userId, spike.userId] });
  },
);
mutation("GroupService.AddGroupMembers", "and then words", 6, async ({ tom, jerry, spike }) => {
  const groupId = await newGroup(tom, [jerry], { historyForNewMembers: true });
  await say(tom, toGroup(groupId), "before");
  return async () => {
    await jerry.rpc.group.addGroupMembers({ groupId, userIds: [spike.userId] });
    await say(jerry, toGroup(groupId), "after");
  };
});
mutation("GroupService.AddGroupMembers", "only present ones", 0, async ({ tom, jerry }) => {
  const groupId = await newGroup(tom, [jerry]);
  return () => tom.rpc.group.addGroupMembers({ groupId, userIds: [jerry.userId] });
});
mutation("GroupService.RemoveGroupMembers", "one of two, with words unread", 3, async ({ tom, jerry, spike }) => {
  const groupId = await newGroup(tom, [jerry, spike]);
  await say(tom, toGroup(groupId), "unread");
  return () => tom.rpc.group.removeGroupMembers({ groupId, userIds: [jerry.userId, "nobody-of-that-name"] });
});
mutation("GroupService.RemoveGroupMembers", "none that is there", 0, async ({ tom, jerry, spike }) => {
  const groupId = await newGroup(tom, [jerry]);
  return () => tom.rpc.group.removeGroupMembers({ groupId, userIds: [spike.userId] });
});
mutation("GroupService.ReplaceGroupMembers", "one against another", 4, async ({ tom, jerry, spike }) => {
  const groupId = await newGroup(tom, [jerry]);
  await say(tom, toGroup(groupId), "before");
  return () => tom.rpc.group.replaceGroupMembers({ groupId, userIds: [spike.userId] });
});
mutation("GroupService.ReplaceGroupMembers", "with those that are there", 0, async ({ tom, jerry }) => {
  const groupId = await newGroup(tom, [jerry]);
  return () => tom.rpc.group.replaceGroupMembers({ groupId, userIds: [jerry.userId, tom.userId] });
});
mutation("GroupService.UpdateGroupMember", "role, alias, data and mute", 2, async ({ tom, jerry }) => {
  const groupId = await newGroup(tom, [jerry]);
  return () =>
    tom.rpc.group.updateGroupMember({
      groupId,
      userId: jerry.userId,
      role: GroupRole.ADMIN,
      alias: "the mouse",
      attributes: data("z"),
      muteUntilTime: timestampFromMs(Date.now() + 3_600_000),
    });
});
mutation("GroupService.UpdateGroupMember", "to what it is", 0, async ({ tom, jerry }) => {
  const groupId = await newGroup(tom, [jerry]);
  const call = () => tom.rpc.group.updateGroupMember({ groupId, userId: jerry.userId, alias: "mouse" });
  return repeated(call);
});
mutation("GroupService.TransferGroup", "to a member", 6, async ({ tom, jerry }) => {
  const groupId = await newGroup(tom, [jerry]);
  return () => tom.rpc.group.transferGroup({ groupId, userId: jerry.userId });
});
mutation("GroupService.TransferGroup", "to its owner", 0, async ({ tom, jerry }) => {
  const groupId = await newGroup(tom, [jerry]);
  return () => tom.rpc.group.transferGroup({ groupId, userId: tom.userId });
});
mutation("GroupService.JoinGroup", "as a new member", 2, async ({ tom, jerry }) => {
  const groupId = await newGroup(tom, []);
  await say(tom, toGroup(groupId), "before");
  return () => jerry.rpc.group.joinGroup({ groupId });
});
mutation("GroupService.JoinGroup", "for the second time", 3, async ({ tom, jerry, spike }) => {
  const groupId = await newGroup(tom, [jerry, spike]);
  await say(tom, toGroup(groupId), "before");
  await jerry.rpc.group.leaveGroup({ groupId });
  await say(tom, toGroup(groupId), "meanwhile");
  return () => jerry.rpc.group.joinGroup({ groupId });
});
mutation("GroupService.JoinGroup", "as a member", 0, async ({ tom, jerry }) => {
  const groupId = await newGroup(tom, [jerry]);
  return () => jerry.rpc.group.joinGroup({ groupId });
});
mutation("GroupService.LeaveGroup", "with words unread", 2, async ({ tom, jerry }) => {
  const groupId = await newGroup(tom, [jerry]);
  await say(tom, toGroup(groupId), "unread");
  return () => jerry.rpc.group.leaveGroup({ groupId });
});
mutation("GroupService.LeaveGroup", "as no member", 0, async ({ tom, jerry }) => {
  const groupId = await newGroup(tom, []);
  return () => jerry.rpc.group.leaveGroup({ groupId });
});
