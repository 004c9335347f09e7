import { GroupRole, JoinPolicy } from "@parley/proto/parley/v1/group_pb.js";
import { ChangeKind } from "@parley/proto/parley/v1/stream_event_pb.js";
import { View } from "@parley/proto/parley/v1/user_pb.js";
import { describe, expect, test } from "vitest";
import { backend, newUser, startTestServer, subscribe, type TestUser } from "../support/index.js";
import { brief, denied, ids, newGroup, noGroup, say, server, users, useServer } from "./group-story.js";
import { newGuest, refused, watch } from "./watching.js";

useServer();

describe("CreateGroup", () => {
  test("makes the caller the owner, and tells all members and nobody else", async () => {
    const [tom, jerry, spike, tyke] = (await users(4)) as [TestUser, TestUser, TestUser, TestUser];
    const seen = await Promise.all([tom, jerry, spike, tyke].map(watch));
    const others = ids([jerry, spike]);
    const { group } = await tom.rpc.group.createGroup({
      name: "Cats and mice",
      memberUserIds: [...others, tom.userId, jerry.userId],
      attributes: { colour: "grey" },
    });
    const memberUserIds = [tom.userId, ...others].sort();
    expect(group).toMatchObject({
      name: "Cats and mice",
      ownerUserId: tom.userId,
      memberUserIds,
      memberCount: 3,
      attributes: { colour: "grey" },
      joinPolicy: JoinPolicy.OPEN,
      historyForNewMembers: false,
    });
    const event = {
      groupChanged: {
        groupId: group?.groupId,
        change: "CHANGE_KIND_ADDED",
        actorUserId: tom.userId,
        group: expect.objectContaining({
          name: "Cats and mice",
          ownerUserId: tom.userId,
          memberUserIds,
          memberCount: 3,
        }),
      },
    };
    for (const index of [0, 1, 2]) expect(await seen[index]?.()).toEqual([event]);
    expect(await seen[3]?.()).toEqual([]);
    expect((await jerry.rpc.group.getGroup({ groupId: group?.groupId ?? "" })).group).toEqual(group);
  });

  test("is atomic: one unknown user or guest and there is no group", async () => {
    const [tom, jerry] = (await users(2)) as [TestUser, TestUser];
    const guest = await newGuest(server);
    const seen = await watch(jerry);
    const create = (memberUserIds: string[]) => tom.rpc.group.createGroup({ memberUserIds });
    expect(await refused(create([jerry.userId, "nobody"]))).toEqual({
      code: "NotFound",
      reason: "NOT_FOUND",
      field: "member_user_ids[1]",
    });
    expect(await refused(create([jerry.userId, guest.userId]))).toEqual(denied("ROLE_TOO_LOW", "member_user_ids[1]"));
    expect(await seen()).toEqual([]);
    expect((await jerry.rpc.group.listGroups({})).groups).toEqual([]);
  });

  test("a request_id makes it once, also when two tries race", async () => {
    const [tom, jerry] = (await users(2)) as [TestUser, TestUser];
    const request = {
      name: "once",
      memberUserIds: [jerry.userId],
      attributes: { a: 1, b: { c: 2, d: 3 } },
      requestId: "r-1",
    };
    const turned = { ...request, attributes: { b: { d: 3, c: 2 }, a: 1 } };
    const answers = await Promise.all([tom.rpc.group.createGroup(request), tom.rpc.group.createGroup(turned)]);
    expect(answers[1]).toEqual(answers[0]);
    expect((await tom.rpc.group.listGroups({})).groups).toHaveLength(1);

    const conflict = { code: "AlreadyExists", reason: "IDEMPOTENCY_CONFLICT", field: "request_id" };
    expect(await refused(tom.rpc.group.createGroup({ ...request, name: "twice" }))).toEqual(conflict);
    expect(await refused(tom.rpc.room.createRoom({ requestId: "r-1" }))).toEqual(conflict);
    // The key is each user's own.
    expect((await jerry.rpc.group.createGroup(request)).group?.ownerUserId).toBe(jerry.userId);
    // Without one, each makes another.
    await tom.rpc.group.createGroup({});
    await tom.rpc.group.createGroup({});
    expect((await tom.rpc.group.listGroups({})).groups).toHaveLength(3);
  });

  test("the app's backend makes the first it names the owner", async () => {
    const [tom, jerry] = (await users(2)) as [TestUser, TestUser];
    const seen = await watch(jerry);
    const api = backend(server);
    const { group } = await api.group.createGroup({ memberUserIds: ids([tom, jerry]) });
    expect(group?.ownerUserId).toBe(tom.userId);
    const [event] = (await seen()) as [{ groupChanged: object }];
    expect(event.groupChanged).not.toHaveProperty("actorUserId");
    expect(await refused(api.group.createGroup({}))).toEqual({
      code: "InvalidArgument",
      reason: "INVALID_FIELD",
      field: "member_user_ids",
    });
    const { group: forJerry } = await api.as(jerry.userId).group.createGroup({ memberUserIds: [tom.userId] });
    expect(forJerry?.ownerUserId).toBe(jerry.userId);
  });
});

describe("GetGroup, ListGroups and ListGroupMembers", () => {
  test("are for members; the unknown is NOT_FOUND", async () => {
    const [tom, jerry, spike] = (await users(3)) as [TestUser, TestUser, TestUser];
    const groupId = await newGroup(tom, [jerry]);
    expect(await refused(spike.rpc.group.getGroup({ groupId }))).toEqual(denied("NOT_MEMBER", "group_id"));
    expect(await refused(spike.rpc.group.listGroupMembers({ groupId }))).toEqual(denied("NOT_MEMBER", "group_id"));
    expect(await refused(tom.rpc.group.getGroup({ groupId: "nope" }))).toEqual(noGroup);
    expect(await refused(tom.rpc.group.listGroupMembers({ groupId: "nope" }))).toEqual(noGroup);
    expect((await backend(server).group.getGroup({ groupId })).group?.memberCount).toBe(2);
  });

  test("list the caller's groups by rising id, in pages, ids alone or whole", async () => {
    const [tom, jerry] = (await users(2)) as [TestUser, TestUser];
    const groupIds: string[] = [];
    for (let i = 0; i < 3; i++) groupIds.push(await newGroup(tom, i === 0 ? [jerry] : []));
    groupIds.sort();
    await tom.rpc.room.createRoom({});
    const first = await tom.rpc.group.listGroups({ pageSize: 2 });
    expect(first.groups.map((group) => group.groupId)).toEqual(groupIds.slice(0, 2));
    expect(first.groups.every((group) => group.ownerUserId === "" && group.createTime === undefined)).toBe(true);
    const second = await tom.rpc.group.listGroups({ pageSize: 2, pageToken: first.nextPageToken });
    expect(second.groups.map((group) => group.groupId)).toEqual(groupIds.slice(2));
    expect(second.nextPageToken).toBe("");
    const { groups } = await tom.rpc.group.listGroups({ view: View.FULL });
    for (const group of groups) expect(group).toEqual((await tom.rpc.group.getGroup({ groupId: group.groupId })).group);
    expect((await jerry.rpc.group.listGroups({})).groups).toHaveLength(1);
  });

  test("list members in the order of joining, in pages", async () => {
    const [tom, ...rest] = (await users(6)) as [TestUser, ...TestUser[]];
    const early = rest.slice(0, 3);
    const late = rest.slice(3);
    const groupId = await newGroup(tom, early);
    for (const user of late) await user.rpc.group.joinGroup({ groupId });
    const order = [...ids([tom, ...early]).sort(), ...ids(late)];
    expect((await tom.rpc.group.getGroup({ groupId })).group?.memberUserIds).toEqual(order);
    const listed: string[] = [];
    let pageToken = "";
    do {
      const page = await tom.rpc.group.listGroupMembers({ groupId, pageSize: 2, pageToken });
      listed.push(...page.members.map((member) => member.userId));
      pageToken = page.nextPageToken;
      // A role given between two pages moves nobody.
      for (const userId of ids(early))
        await tom.rpc.group.updateGroupMember({ groupId, userId, role: GroupRole.ADMIN });
    } while (pageToken !== "");
    expect(listed).toEqual(order);
    const { members } = await tom.rpc.group.listGroupMembers({ groupId });
    const roleOf = (userId: string) =>
      userId === tom.userId ? GroupRole.OWNER : ids(early).includes(userId) ? GroupRole.ADMIN : GroupRole.MEMBER;
    expect(members.map((member) => member.role)).toEqual(order.map(roleOf));
    expect(members.every((member) => member.joinTime !== undefined && member.muteUntilTime === undefined)).toBe(true);
  });
});

describe("UpdateGroup", () => {
  test("is the owner's, changes what is set and tells the members", async () => {
    const [tom, jerry, spike] = (await users(3)) as [TestUser, TestUser, TestUser];
    const groupId = await newGroup(tom, [jerry]);
    const [seen, seenBySpike] = [await watch(jerry), await watch(spike)];
    const { group } = await tom.rpc.group.updateGroup({
      groupId,
      name: "new",
      attributes: { a: 1 },
      joinPolicy: JoinPolicy.INVITE,
      historyForNewMembers: true,
    });
    expect(group).toMatchObject({ name: "new", attributes: { a: 1 }, memberUserIds: ids([tom, jerry]).sort() });
    expect(group).toMatchObject({ joinPolicy: JoinPolicy.INVITE, historyForNewMembers: true });
    const [event, ...others] = (await seen()) as [{ groupChanged: { group: object } }];
    expect(others).toEqual([]);
    expect(event.groupChanged).toMatchObject({ groupId, change: "CHANGE_KIND_UPDATED", actorUserId: tom.userId });
    expect(event.groupChanged.group).toMatchObject({ name: "new", memberCount: 2, historyForNewMembers: true });
    expect(event.groupChanged.group).not.toHaveProperty("memberUserIds");

    // What is the same, or absent, is no change.
    await tom.rpc.group.updateGroup({ groupId });
    await tom.rpc.group.updateGroup({ groupId, name: "new", attributes: { a: 1 }, joinPolicy: JoinPolicy.INVITE });
    expect(await seen()).toEqual([]);
    expect(await seenBySpike()).toEqual([]);
    const { group: cleared } = await tom.rpc.group.updateGroup({ groupId, name: "", attributes: {} });
    expect(cleared).toMatchObject({ name: "", attributes: {}, historyForNewMembers: true });
    expect((await backend(server).group.updateGroup({ groupId, name: "by us" })).group?.name).toBe("by us");

    for (const other of [jerry, spike])
      expect(await refused(other.rpc.group.updateGroup({ groupId, name: "x" }))).toEqual(
        denied("ROLE_TOO_LOW", "group_id"),
      );
    expect(await refused(tom.rpc.group.updateGroup({ groupId: "nope" }))).toEqual(noGroup);
    const attributes = { text: "x".repeat(16 * 1024) };
    expect(await refused(tom.rpc.group.updateGroup({ groupId, attributes }))).toMatchObject({ reason: "TOO_LARGE" });
  });
});

describe("DeleteGroup", () => {
  test("takes the group with all that was said; members replay its end alone", async () => {
    const [tom, jerry, former] = (await users(3)) as [TestUser, TestUser, TestUser];
    const [seenByTom, seenByJerry, seenByFormer] = [await watch(tom), await watch(jerry), await watch(former)];
    const groupId = await newGroup(tom, [jerry, former]);
    await say(tom, groupId, "secret");
    await former.rpc.group.leaveGroup({ groupId });
    for (const other of [jerry, former])
      expect(await refused(other.rpc.group.deleteGroup({ groupId }))).toEqual(denied("ROLE_TOO_LOW", "group_id"));
    await tom.rpc.group.deleteGroup({ groupId });
    const end = { groupChanged: { groupId, change: "CHANGE_KIND_REMOVED", actorUserId: tom.userId } };
    expect(await seenByTom()).toEqual([end]);
    expect(await seenByJerry()).toEqual([end]);
    expect(brief(await seenByFormer())).toEqual(["groupMemberChanged REMOVED"]);

    expect(await refused(tom.rpc.group.getGroup({ groupId }))).toEqual(noGroup);
    expect(await refused(tom.rpc.group.deleteGroup({ groupId }))).toEqual(noGroup);
    expect(await refused(say(tom, groupId, "x"))).toMatchObject({ reason: "NOT_FOUND" });
    const peer = { peer: { case: "groupId" as const, value: groupId } };
    expect(await refused(tom.rpc.history.listMessages({ peer }))).toMatchObject({ reason: "NOT_FOUND" });
    expect((await tom.rpc.group.listGroups({})).groups).toEqual([]);
    expect((await tom.rpc.conversation.listConversations({})).conversations).toEqual([]);
  });

  test("the app's backend may, and no actor is named", async () => {
    const tom = await newUser(server);
    const groupId = await newGroup(tom, []);
    const seen = await watch(tom);
    await backend(server).group.deleteGroup({ groupId });
    expect(await seen()).toEqual([{ groupChanged: { groupId, change: "CHANGE_KIND_REMOVED" } }]);
  });
});

test("an open stream follows its user in and out of a group", async () => {
  const [tom, jerry] = (await users(2)) as [TestUser, TestUser];
  const stream = await subscribe(jerry);
  const groupId = await newGroup(tom, []);
  await say(tom, groupId, "before");
  await tom.rpc.group.addGroupMembers({ groupId, userIds: [jerry.userId] });
  await say(tom, groupId, "inside");
  await tom.rpc.group.removeGroupMembers({ groupId, userIds: [jerry.userId] });
  await say(tom, groupId, "after");
  // What comes next in order: once it is here, nothing before it is still on its way.
  await tom.rpc.friend.addFriend({ userId: jerry.userId });
  await stream.event(({ event }) => event.case === "friendChanged");
  expect(
    stream.events().map(({ event }) => {
      if (event.case === "groupMemberChanged") return ChangeKind[event.value.change];
      return event.case === "messageCreated" ? event.value.message?.content?.content.value : event.case;
    }),
  ).toEqual(["ADDED", expect.objectContaining({ text: "inside" }), "REMOVED", "friendChanged"]);
  await stream.close();
});

test("a request_id is forgotten in time", async () => {
  const forgetful = await startTestServer({ times: { answeredMs: 0 } });
  const tom = await newUser(forgetful);
  for (const name of ["one", "two"]) await tom.rpc.group.createGroup({ name, requestId: "r" });
  expect((await tom.rpc.group.listGroups({})).groups).toHaveLength(2);
  await forgetful.close();
});

test("guests are refused everywhere", async () => {
  const [tom, { group, userId }] = [await newUser(server), await newGuest(server)];
  const groupId = await newGroup(tom, []);
  const calls = [
    group.createGroup({}),
    group.getGroup({ groupId }),
    group.listGroups({}),
    group.updateGroup({ groupId }),
    group.deleteGroup({ groupId }),
    group.addGroupMembers({ groupId, userIds: [userId] }),
    group.removeGroupMembers({ groupId, userIds: [userId] }),
    group.replaceGroupMembers({ groupId, userIds: [] }),
    group.listGroupMembers({ groupId }),
    group.updateGroupMember({ groupId, userId }),
    group.transferGroup({ groupId, userId }),
    group.joinGroup({ groupId }),
    group.leaveGroup({ groupId }),
  ];
  for (const refusal of await Promise.all(calls.map(refused)))
    expect(refusal).toMatchObject({ reason: "ROLE_TOO_LOW" });
});

test("the app's backend alone lists, joins and leaves nothing", async () => {
  const groupId = await newGroup(await newUser(server), []);
  const { group } = backend(server);
  const calls = [group.listGroups({}), group.joinGroup({ groupId }), group.leaveGroup({ groupId })];
  for (const refusal of await Promise.all(calls.map(refused)))
    expect(refusal).toMatchObject({ reason: "UNAUTHENTICATED" });
});
