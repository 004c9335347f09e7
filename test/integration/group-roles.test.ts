import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { GroupRole } from "@parley/proto/parley/v1/group_pb.js";
import { describe, expect, test } from "vitest";
import { backend, newUser, type TestUser } from "../support/index.js";
import { denied, newGroup, noGroup, say, server, users, useServer } from "./group-story.js";
import { refused, watch } from "./watching.js";

useServer();

describe("UpdateGroupMember", () => {
  test("changes alias and attributes of one's own, or of others by the owner and admins", async () => {
    const [tom, admin, jerry] = (await users(3)) as [TestUser, TestUser, TestUser];
    const groupId = await newGroup(tom, [admin, jerry]);
    const seen = await watch(jerry);
    const { member } = await tom.rpc.group.updateGroupMember({
      groupId,
      userId: admin.userId,
      role: GroupRole.ADMIN,
      alias: "the admin",
    });
    expect(member).toMatchObject({ userId: admin.userId, role: GroupRole.ADMIN, alias: "the admin" });
    expect(await seen()).toEqual([
      {
        groupMemberChanged: {
          groupId,
          userIds: [admin.userId],
          change: "CHANGE_KIND_UPDATED",
          actorUserId: tom.userId,
          memberCount: 3,
          member: expect.objectContaining({ userId: admin.userId, role: "GROUP_ROLE_ADMIN", alias: "the admin" }),
        },
      },
    ]);
    const own = { groupId, userId: jerry.userId, alias: "me", attributes: { a: 1 } };
    expect((await jerry.rpc.group.updateGroupMember(own)).member).toMatchObject({ alias: "me", attributes: { a: 1 } });
    expect(await seen()).toHaveLength(1);
    await jerry.rpc.group.updateGroupMember(own);
    await jerry.rpc.group.updateGroupMember({ groupId, userId: jerry.userId });
    expect(await seen()).toEqual([]);
    await admin.rpc.group.updateGroupMember({ ...own, alias: "him" });
    expect(await refused(jerry.rpc.group.updateGroupMember({ groupId, userId: tom.userId, alias: "x" }))).toEqual(
      denied("ROLE_TOO_LOW", "alias"),
    );
    expect(await refused(jerry.rpc.group.updateGroupMember({ groupId, userId: tom.userId, attributes: {} }))).toEqual(
      denied("ROLE_TOO_LOW", "attributes"),
    );
  });

  test("mutes by the owner and admins, who mute no admins and not themselves free", async () => {
    const [tom, admin, jerry] = (await users(3)) as [TestUser, TestUser, TestUser];
    const groupId = await newGroup(tom, [admin, jerry]);
    await tom.rpc.group.updateGroupMember({ groupId, userId: admin.userId, role: GroupRole.ADMIN });
    const muteUntilTime = timestampFromMs(Date.now() + 3_600_000);
    const mute = (by: TestUser, { userId }: TestUser, until = muteUntilTime) =>
      by.rpc.group.updateGroupMember({ groupId, userId, muteUntilTime: until });
    expect((await mute(admin, jerry)).member?.muteUntilTime).toEqual(muteUntilTime);
    expect(await refused(say(jerry, groupId, "x"))).toMatchObject({ reason: "MUTED" });
    const refusedAs = denied("ROLE_TOO_LOW", "mute_until_time");
    expect(await refused(mute(jerry, jerry, timestampFromMs(0)))).toEqual(refusedAs);
    expect((await mute(admin, jerry, timestampFromMs(0))).member?.muteUntilTime).toBeUndefined();
    await say(jerry, groupId, "free");
    const seen = await watch(jerry);
    await mute(admin, jerry, timestampFromMs(1000));
    expect(await seen()).toEqual([]);

    expect(await refused(mute(admin, tom))).toEqual(refusedAs);
    await mute(tom, admin);
    expect(await refused(mute(admin, admin, timestampFromMs(0)))).toEqual(refusedAs);
    await mute(tom, admin, timestampFromMs(0));
  });

  test("gives roles by the owner, who stays the owner", async () => {
    const [tom, admin, jerry] = (await users(3)) as [TestUser, TestUser, TestUser];
    const groupId = await newGroup(tom, [admin, jerry]);
    const give = (by: TestUser, { userId }: { userId: string }, role: GroupRole) =>
      by.rpc.group.updateGroupMember({ groupId, userId, role });
    await give(tom, admin, GroupRole.ADMIN);
    expect(await refused(give(admin, jerry, GroupRole.ADMIN))).toEqual(denied("ROLE_TOO_LOW", "role"));
    const invalid = { code: "InvalidArgument", reason: "INVALID_FIELD", field: "role" };
    expect(await refused(give(tom, jerry, GroupRole.OWNER))).toEqual(invalid);
    expect(await refused(give(tom, tom, GroupRole.MEMBER))).toEqual(invalid);
    expect((await give(tom, admin, GroupRole.MEMBER)).member?.role).toBe(GroupRole.MEMBER);
    const outsider = await newUser(server);
    expect(await refused(give(tom, outsider, GroupRole.ADMIN))).toEqual(denied("NOT_MEMBER", "user_id"));
    expect(await refused(give(outsider, jerry, GroupRole.ADMIN))).toEqual(denied("NOT_MEMBER", "group_id"));
    const nope = { groupId: "nope", userId: jerry.userId, alias: "x" };
    expect(await refused(tom.rpc.group.updateGroupMember(nope))).toEqual(noGroup);
  });

  test("a role and a mute end with the stay", async () => {
    const [tom, jerry] = (await users(2)) as [TestUser, TestUser];
    const groupId = await newGroup(tom, [jerry]);
    const { userId } = jerry;
    await tom.rpc.group.updateGroupMember({ groupId, userId, role: GroupRole.ADMIN, alias: "a" });
    await jerry.rpc.group.leaveGroup({ groupId });
    await jerry.rpc.group.joinGroup({ groupId });
    const { members } = await tom.rpc.group.listGroupMembers({ groupId });
    expect(members[1]).toMatchObject({ userId, role: GroupRole.MEMBER, alias: "" });
  });
});

describe("TransferGroup", () => {
  test("makes a member the owner and the old owner an admin", async () => {
    const [tom, jerry, spike] = (await users(3)) as [TestUser, TestUser, TestUser];
    const groupId = await newGroup(tom, [jerry, spike]);
    const transfer = (by: TestUser, { userId }: TestUser) => by.rpc.group.transferGroup({ groupId, userId });
    expect(await refused(transfer(jerry, jerry))).toEqual(denied("ROLE_TOO_LOW", "group_id"));
    expect(await refused(transfer(tom, await newUser(server)))).toEqual(denied("NOT_MEMBER", "user_id"));
    const seen = await watch(spike);
    expect((await transfer(tom, tom)).group?.ownerUserId).toBe(tom.userId);
    expect(await seen()).toEqual([]);
    expect((await transfer(tom, jerry)).group?.ownerUserId).toBe(jerry.userId);
    const member = (userId: string, role: string) => ({
      groupMemberChanged: {
        groupId,
        userIds: [userId],
        change: "CHANGE_KIND_UPDATED",
        actorUserId: tom.userId,
        memberCount: 3,
        member: expect.objectContaining({ userId, role }),
      },
    });
    const group = expect.objectContaining({ ownerUserId: jerry.userId });
    expect(await seen()).toEqual([
      member(tom.userId, "GROUP_ROLE_ADMIN"),
      member(jerry.userId, "GROUP_ROLE_OWNER"),
      { groupChanged: { groupId, change: "CHANGE_KIND_UPDATED", actorUserId: tom.userId, group } },
    ]);
    expect(await refused(transfer(tom, tom))).toEqual(denied("ROLE_TOO_LOW", "group_id"));
    await tom.rpc.group.leaveGroup({ groupId });
    expect(await refused(jerry.rpc.group.leaveGroup({ groupId }))).toMatchObject({ reason: "OWNER_CANNOT_BE_REMOVED" });
    expect((await backend(server).group.transferGroup({ groupId, userId: spike.userId })).group?.ownerUserId).toBe(
      spike.userId,
    );
  });
});
