import { GroupRole } from "@parley/proto/parley/v1/group_pb.js";
import { describe, expect, test } from "vitest";
import { backend, newUser, type TestUser } from "../support/index.js";
import { brief, denied, ids, newGroup, noGroup, say, server, users, useServer } from "./group-story.js";
import { refused, watch } from "./watching.js";

useServer();

describe("leaving and removing", () => {
  test("one who leaves sees that and nothing after; those who stay see it too", async () => {
    const [tom, jerry] = (await users(2)) as [TestUser, TestUser];
    const groupId = await newGroup(tom, [jerry]);
    await say(tom, groupId, "in time");
    const [seenByTom, seenByJerry] = [await watch(tom), await watch(jerry)];
    await say(tom, groupId, "last");
    await jerry.rpc.group.leaveGroup({ groupId });
    await say(tom, groupId, "too late");
    const left = {
      groupMemberChanged: {
        groupId,
        userIds: [jerry.userId],
        change: "CHANGE_KIND_REMOVED",
        actorUserId: jerry.userId,
        memberCount: 1,
      },
    };
    const events = await seenByJerry();
    expect(events.at(-1)).toEqual(left);
    expect(brief(events)).toEqual(["said last", "groupMemberChanged REMOVED"]);
    expect(brief(await seenByTom())).toEqual(["said last", "groupMemberChanged REMOVED", "said too late"]);

    expect(await refused(jerry.rpc.group.getGroup({ groupId }))).toEqual(denied("NOT_MEMBER", "group_id"));
    expect(await refused(say(jerry, groupId, "x"))).toMatchObject({ reason: "NOT_MEMBER" });
    const peer = { peer: { case: "groupId" as const, value: groupId } };
    expect(await refused(jerry.rpc.history.listMessages({ peer }))).toMatchObject({ reason: "NOT_MEMBER" });
    expect((await jerry.rpc.conversation.listConversations({})).conversations).toEqual([]);
    // No member: the same answer.
    await jerry.rpc.group.leaveGroup({ groupId });
    expect(await seenByTom()).toEqual([]);
    expect(await refused(jerry.rpc.group.leaveGroup({ groupId: "nope" }))).toEqual(noGroup);
  });

  test("who comes back sees both stays and nothing between", async () => {
    const [tom, jerry] = (await users(2)) as [TestUser, TestUser];
    const groupId = await newGroup(tom, []);
    const seen = await watch(jerry);
    await say(tom, groupId, "before");
    await jerry.rpc.group.joinGroup({ groupId });
    await say(tom, groupId, "first stay");
    await jerry.rpc.group.leaveGroup({ groupId });
    await say(tom, groupId, "between");
    await jerry.rpc.group.joinGroup({ groupId });
    await say(tom, groupId, "second stay");
    await tom.rpc.group.removeGroupMembers({ groupId, userIds: [jerry.userId] });
    await say(tom, groupId, "after");
    expect(brief(await seen())).toEqual([
      "groupMemberChanged ADDED",
      "said first stay",
      "groupMemberChanged REMOVED",
      "groupMemberChanged ADDED",
      "said second stay",
      "groupMemberChanged REMOVED",
    ]);
  });

  test("the owner and admins remove members; admins remove no admins, nobody the owner", async () => {
    const [tom, admin, other, jerry, spike] = (await users(5)) as [TestUser, TestUser, TestUser, TestUser, TestUser];
    const groupId = await newGroup(tom, [admin, other, jerry, spike]);
    for (const { userId } of [admin, other])
      await tom.rpc.group.updateGroupMember({ groupId, userId, role: GroupRole.ADMIN });
    const remove = (by: TestUser, ...whom: TestUser[]) =>
      by.rpc.group.removeGroupMembers({ groupId, userIds: ids(whom) });
    const owner = { code: "FailedPrecondition", reason: "OWNER_CANNOT_BE_REMOVED" };

    expect(await refused(remove(jerry, spike))).toEqual(denied("ROLE_TOO_LOW", "group_id"));
    expect(await refused(remove(admin, jerry, other))).toEqual(denied("ROLE_TOO_LOW", "user_ids[1]"));
    expect(await refused(remove(admin, jerry, tom))).toEqual({ ...owner, field: "user_ids[1]" });
    expect(await refused(remove(tom, jerry, tom))).toEqual({ ...owner, field: "user_ids[1]" });
    expect(await refused(remove(tom, tom))).toEqual({ ...owner, field: "group_id" });
    expect(await refused(tom.rpc.group.leaveGroup({ groupId }))).toEqual({ ...owner, field: "group_id" });
    const outsider = await newUser(server);
    expect(await refused(remove(outsider, jerry))).toEqual(denied("NOT_MEMBER", "group_id"));
    expect((await tom.rpc.group.getGroup({ groupId })).group?.memberCount).toBe(5);

    // Those who are no members are passed over.
    const { group } = await remove(admin, outsider, jerry);
    expect(group?.memberUserIds).not.toContain(jerry.userId);
    expect(group?.memberCount).toBe(4);
    // Naming only oneself is leaving, for one who is no member too; then the members are not shown.
    expect((await remove(spike, spike)).group).toMatchObject({ memberCount: 3, memberUserIds: [] });
    expect((await remove(spike, spike)).group).toMatchObject({ groupId, memberCount: 0, name: "" });
    expect((await remove(tom, other)).group?.memberUserIds).toEqual(ids([tom, admin]).sort());
    expect((await backend(server).group.removeGroupMembers({ groupId, userIds: [admin.userId] })).group).toMatchObject({
      memberUserIds: [tom.userId],
    });
  });

  test("each of those removed is told, by one event", async () => {
    const [tom, jerry, spike, tyke] = (await users(4)) as [TestUser, TestUser, TestUser, TestUser];
    const groupId = await newGroup(tom, [jerry, spike, tyke]);
    const seen = await Promise.all([tom, jerry, spike, tyke].map(watch));
    await tom.rpc.group.removeGroupMembers({ groupId, userIds: ids([jerry, spike]) });
    const removed = {
      groupMemberChanged: {
        groupId,
        userIds: ids([jerry, spike]),
        change: "CHANGE_KIND_REMOVED",
        actorUserId: tom.userId,
        memberCount: 2,
      },
    };
    for (const events of seen) expect(await events()).toEqual([removed]);
  });
});

describe("ReplaceGroupMembers", () => {
  test("removes and adds by two events, keeps the owner and who stays", async () => {
    const [tom, stays, goes, comes] = (await users(4)) as [TestUser, TestUser, TestUser, TestUser];
    const groupId = await newGroup(tom, [stays, goes]);
    await tom.rpc.group.updateGroupMember({ groupId, userId: stays.userId, role: GroupRole.ADMIN });
    const [seenByStays, seenByGoes, seenByComes] = [await watch(stays), await watch(goes), await watch(comes)];
    const { group } = await tom.rpc.group.replaceGroupMembers({ groupId, userIds: ids([comes, stays]) });
    expect(group).toMatchObject({
      memberUserIds: [...ids([tom, stays]).sort(), comes.userId],
      memberCount: 3,
      ownerUserId: tom.userId,
    });
    const change = (userId: string, kind: string, memberCount: number) => ({
      groupMemberChanged: {
        groupId,
        userIds: [userId],
        change: `CHANGE_KIND_${kind}`,
        actorUserId: tom.userId,
        memberCount,
      },
    });
    const removed = change(goes.userId, "REMOVED", 2);
    const added = change(comes.userId, "ADDED", 3);
    expect(await seenByStays()).toEqual([removed, added]);
    expect(await seenByGoes()).toEqual([removed]);
    expect(await seenByComes()).toEqual([added]);
    const { members } = await tom.rpc.group.listGroupMembers({ groupId });
    const roles = Object.fromEntries(members.map((member) => [member.userId, member.role]));
    expect(roles).toEqual({
      [tom.userId]: GroupRole.OWNER,
      [stays.userId]: GroupRole.ADMIN,
      [comes.userId]: GroupRole.MEMBER,
    });
    expect((await tom.rpc.group.replaceGroupMembers({ groupId, userIds: [] })).group?.memberUserIds).toEqual([
      tom.userId,
    ]);
  });

  test("is the owner's and atomic", async () => {
    const [tom, admin] = (await users(2)) as [TestUser, TestUser];
    const groupId = await newGroup(tom, [admin]);
    await tom.rpc.group.updateGroupMember({ groupId, userId: admin.userId, role: GroupRole.ADMIN });
    expect(await refused(admin.rpc.group.replaceGroupMembers({ groupId, userIds: [] }))).toEqual(
      denied("ROLE_TOO_LOW", "group_id"),
    );
    expect(await refused(tom.rpc.group.replaceGroupMembers({ groupId, userIds: ["nobody"] }))).toEqual({
      code: "NotFound",
      reason: "NOT_FOUND",
      field: "user_ids[0]",
    });
    expect((await tom.rpc.group.getGroup({ groupId })).group?.memberUserIds).toEqual(ids([tom, admin]).sort());
  });
});
