import { GroupRole, JoinPolicy } from "@parley/proto/parley/v1/group_pb.js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { backend, newUser, startTestServer, type TestServer, type TestUser } from "../support/index.js";
import { brief, denied, ids, newGroup, noGroup, say, server, users, useServer } from "./group-story.js";
import { newGuest, refused, watch } from "./watching.js";

useServer();

describe("joining", () => {
  test("OPEN lets anybody in, who then sees what comes, not what was", async () => {
    const [tom, jerry, spike] = (await users(3)) as [TestUser, TestUser, TestUser];
    const groupId = await newGroup(tom, []);
    const [seenByTom, seenByJerry, seenBySpike] = [await watch(tom), await watch(jerry), await watch(spike)];
    await say(tom, groupId, "before");
    const { group } = await jerry.rpc.group.joinGroup({ groupId });
    expect(group).toMatchObject({ memberUserIds: ids([tom, jerry]), memberCount: 2 });
    await say(tom, groupId, "after");
    const joined = {
      groupMemberChanged: {
        groupId,
        userIds: [jerry.userId],
        change: "CHANGE_KIND_ADDED",
        actorUserId: jerry.userId,
        memberCount: 2,
      },
    };
    const events = await seenByJerry();
    expect(events[0]).toEqual(joined);
    expect(brief(events)).toEqual(["groupMemberChanged ADDED", "said after"]);
    expect(brief(await seenByTom())).toEqual(["said before", "groupMemberChanged ADDED", "said after"]);
    expect(await seenBySpike()).toEqual([]);
    // A member already: the same answer, and nobody is told.
    expect((await jerry.rpc.group.joinGroup({ groupId })).group).toEqual(group);
    expect(await seenByTom()).toEqual([]);
    expect(await refused(jerry.rpc.group.joinGroup({ groupId: "nope" }))).toEqual(noGroup);
  });

  test("a joiner's read marker starts at the head", async () => {
    const [tom, jerry] = (await users(2)) as [TestUser, TestUser];
    const groupId = await newGroup(tom, []);
    await tom.rpc.group.updateGroup({ groupId, historyForNewMembers: true });
    await say(tom, groupId, "one");
    await say(tom, groupId, "two");
    await jerry.rpc.group.joinGroup({ groupId });
    const peer = { peer: { case: "groupId" as const, value: groupId } };
    expect((await jerry.rpc.conversation.getConversation({ peer })).conversation).toMatchObject({
      headSeq: 2,
      readSeq: 2,
      unreadCount: 0,
    });
    await say(tom, groupId, "three");
    const { conversations } = await jerry.rpc.conversation.listConversations({});
    expect(conversations).toMatchObject([{ conversationId: `g:${groupId}`, unreadCount: 1 }]);
  });

  test.each([JoinPolicy.INVITE, JoinPolicy.APPROVAL])("policy %i lets nobody add itself", async (joinPolicy) => {
    const [tom, jerry] = (await users(2)) as [TestUser, TestUser];
    const groupId = await newGroup(tom, [], { joinPolicy });
    const refusedAs = denied("ROLE_TOO_LOW", "group_id");
    expect(await refused(jerry.rpc.group.joinGroup({ groupId }))).toEqual(refusedAs);
    expect(await refused(jerry.rpc.group.addGroupMembers({ groupId, userIds: [jerry.userId] }))).toEqual(refusedAs);
    // One who is a member joins no more.
    expect((await tom.rpc.group.joinGroup({ groupId })).group?.memberCount).toBe(1);
  });

  test("naming only oneself in AddGroupMembers is joining", async () => {
    const [tom, jerry] = (await users(2)) as [TestUser, TestUser];
    const groupId = await newGroup(tom, []);
    const { group } = await jerry.rpc.group.addGroupMembers({ groupId, userIds: [jerry.userId, jerry.userId] });
    expect(group?.memberUserIds).toEqual(ids([tom, jerry]));
  });
});

describe("AddGroupMembers", () => {
  test("adds those who are none, tells everybody in it, by one event", async () => {
    const [tom, jerry, spike, tyke, butch] = (await users(5)) as [TestUser, TestUser, TestUser, TestUser, TestUser];
    const groupId = await newGroup(tom, [jerry]);
    const [seenByTom, seenBySpike, seenByButch] = [await watch(tom), await watch(spike), await watch(butch)];
    const userIds = [tyke.userId, jerry.userId, spike.userId, tyke.userId];
    const { group } = await jerry.rpc.group.addGroupMembers({ groupId, userIds });
    expect(group?.memberUserIds).toEqual([...ids([tom, jerry]).sort(), ...ids([spike, tyke]).sort()]);
    const added = {
      groupMemberChanged: {
        groupId,
        userIds: ids([tyke, spike]).sort(),
        change: "CHANGE_KIND_ADDED",
        actorUserId: jerry.userId,
        memberCount: 4,
      },
    };
    expect(await seenByTom()).toEqual([added]);
    expect(await seenBySpike()).toEqual([added]);
    expect(await seenByButch()).toEqual([]);
    // Nobody new, nothing told.
    await tom.rpc.group.addGroupMembers({ groupId, userIds });
    expect(await seenByTom()).toEqual([]);
  });

  test("is atomic and names who is at fault", async () => {
    const [tom, jerry] = (await users(2)) as [TestUser, TestUser];
    const guest = await newGuest(server);
    const groupId = await newGroup(tom, []);
    const add = (userIds: string[]) => tom.rpc.group.addGroupMembers({ groupId, userIds });
    expect(await refused(add([tom.userId, jerry.userId, "nobody"]))).toEqual({
      code: "NotFound",
      reason: "NOT_FOUND",
      field: "user_ids[2]",
    });
    expect(await refused(add([jerry.userId, guest.userId]))).toEqual(denied("ROLE_TOO_LOW", "user_ids[1]"));
    expect((await tom.rpc.group.getGroup({ groupId })).group?.memberCount).toBe(1);
  });

  test("is any member's under OPEN and INVITE, the owner's and admins' under APPROVAL", async () => {
    for (const joinPolicy of [JoinPolicy.OPEN, JoinPolicy.INVITE, JoinPolicy.APPROVAL]) {
      const [tom, jerry, admin, ...more] = (await users(6)) as [TestUser, TestUser, TestUser, ...TestUser[]];
      const groupId = await newGroup(tom, [jerry, admin], { joinPolicy });
      await tom.rpc.group.updateGroupMember({ groupId, userId: admin.userId, role: GroupRole.ADMIN });
      const add = (by: TestUser, whom: TestUser | undefined) =>
        by.rpc.group.addGroupMembers({ groupId, userIds: [whom?.userId ?? ""] });
      if (joinPolicy === JoinPolicy.APPROVAL)
        expect(await refused(add(jerry, more[0]))).toEqual(denied("ROLE_TOO_LOW", "group_id"));
      else await add(jerry, more[0]);
      await add(admin, more[1]);
      await add(tom, more[2]);
    }
  });

  test("is refused to outsiders, also when they name themselves along with others", async () => {
    const [tom, jerry, spike] = (await users(3)) as [TestUser, TestUser, TestUser];
    const groupId = await newGroup(tom, []);
    const userIds = ids([jerry, spike]);
    const refusedAs = denied("NOT_MEMBER", "group_id");
    expect(await refused(jerry.rpc.group.addGroupMembers({ groupId, userIds }))).toEqual(refusedAs);
    expect(await refused(tom.rpc.group.addGroupMembers({ groupId: "nope", userIds }))).toEqual(noGroup);
    expect((await backend(server).group.addGroupMembers({ groupId, userIds })).group?.memberCount).toBe(3);
  });
});

describe("limits", () => {
  let small: TestServer;
  beforeAll(async () => {
    small = await startTestServer({ limits: { groupsPerUser: 2 } });
    await backend(small).admin.updateSettings({ settings: { maxGroupMembers: 3 } });
  });
  afterAll(() => small.close());

  const people = async (count: number) => await Promise.all(Array.from({ length: count }, () => newUser(small)));
  const full = (field: string, limit: number) => ({
    code: "ResourceExhausted",
    reason: "MEMBER_LIMIT",
    field,
    limit: String(limit),
  });

  test("a group takes as many as the app allows and not one more", async () => {
    const [tom, a, b, c] = (await people(4)) as [TestUser, TestUser, TestUser, TestUser];
    expect(await refused(tom.rpc.group.createGroup({ memberUserIds: ids([a, b, c]) }))).toEqual(
      full("member_user_ids", 3),
    );
    const groupId = await newGroup(tom, [a, b]);
    expect(await refused(c.rpc.group.joinGroup({ groupId }))).toEqual(full("group_id", 3));
    expect(await refused(tom.rpc.group.addGroupMembers({ groupId, userIds: ids([a, c]) }))).toEqual(
      full("user_ids", 3),
    );
    expect(await refused(tom.rpc.group.replaceGroupMembers({ groupId, userIds: ids([a, b, c]) }))).toEqual(
      full("user_ids", 3),
    );
    await tom.rpc.group.addGroupMembers({ groupId, userIds: ids([a, b]) });
    expect((await tom.rpc.group.replaceGroupMembers({ groupId, userIds: ids([a, c]) })).group?.memberCount).toBe(3);
    await a.rpc.group.leaveGroup({ groupId });
    await b.rpc.group.joinGroup({ groupId });
  });

  test("a user is in as many groups and rooms as allowed and not one more", async () => {
    const [tom, jerry] = (await people(2)) as [TestUser, TestUser];
    const groupId = await newGroup(jerry, []);
    const first = await newGroup(tom, []);
    await tom.rpc.room.createRoom({});
    expect(await refused(tom.rpc.group.createGroup({}))).toEqual(full("", 2));
    expect(await refused(tom.rpc.group.joinGroup({ groupId }))).toEqual(full("", 2));
    expect(await refused(jerry.rpc.group.addGroupMembers({ groupId, userIds: ids([jerry, tom]) }))).toEqual(
      full("user_ids[1]", 2),
    );
    // One more place for the one given up.
    await tom.rpc.group.deleteGroup({ groupId: first });
    await tom.rpc.group.joinGroup({ groupId });
  });
});
