import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { GroupRole, JoinPolicy } from "@parley/proto/parley/v1/group_pb.js";
import { ChangeKind } from "@parley/proto/parley/v1/stream_event_pb.js";
import { View } from "@parley/proto/parley/v1/user_pb.js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { backend, newUser, startTestServer, subscribe, type TestServer, type TestUser } from "../support/index.js";
import { newGuest, refused, watch } from "./watching.js";

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => server.close());

const users = async (count: number): Promise<TestUser[]> =>
  await Promise.all(Array.from({ length: count }, () => newUser(server)));
const ids = (of: TestUser[]) => of.map((user) => user.userId);

/** A group of an owner and members; gives its id. */
async function newGroup(owner: TestUser, members: TestUser[], rest: { joinPolicy?: JoinPolicy } = {}) {
  const { group } = await owner.rpc.group.createGroup({ memberUserIds: ids(members), ...rest });
  return group?.groupId ?? "";
}

const say = (from: TestUser, groupId: string, text: string) =>
  from.rpc.message.sendMessage({
    receiver: { peer: { case: "groupId", value: groupId } },
    content: { content: { case: "text", value: { text } } },
  });

const denied = (reason: string, field: string) => ({ code: "PermissionDenied", reason, field });
const noGroup = { code: "NotFound", reason: "NOT_FOUND", field: "group_id" };

/** What a watcher saw, as a list of texts and changes, short enough to compare at a glance. */
function brief(events: unknown[]): string[] {
  return (events as Record<string, Record<string, unknown>>[]).map((event) => {
    const [name, value] = Object.entries(event)[0] as [string, Record<string, unknown>];
    const message = value.message as { content?: { text?: { text?: string } } } | undefined;
    return message === undefined
      ? `${name} ${String(value.change).replace("CHANGE_KIND_", "")}`
      : `said ${message.content?.text?.text}`;
  });
}

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
    const memberUserIds = [tom.userId, ...others.sort()];
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
    const order = [tom.userId, ...ids(early).sort(), ...ids(late)];
    expect((await tom.rpc.group.getGroup({ groupId })).group?.memberUserIds).toEqual(order);
    const listed: string[] = [];
    let pageToken = "";
    do {
      const page = await tom.rpc.group.listGroupMembers({ groupId, pageSize: 2, pageToken });
      listed.push(...page.members.map((member) => member.userId));
      pageToken = page.nextPageToken;
    } while (pageToken !== "");
    expect(listed).toEqual(order);
    const { members } = await tom.rpc.group.listGroupMembers({ groupId });
    expect(members.map((member) => member.role)).toEqual([GroupRole.OWNER, ...Array(5).fill(GroupRole.MEMBER)]);
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
    expect(group).toMatchObject({ name: "new", attributes: { a: 1 }, memberUserIds: ids([tom, jerry]) });
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
    expect(group?.memberUserIds).toEqual([tom.userId, jerry.userId, ...ids([spike, tyke]).sort()]);
    const added = {
      groupMemberChanged: {
        groupId,
        userIds: [tyke.userId, spike.userId],
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
    expect((await remove(spike, spike)).group).toMatchObject({ memberCount: 3, memberUserIds: [] });
    expect((await remove(tom, other)).group?.memberUserIds).toEqual(ids([tom, admin]));
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
    expect(group).toMatchObject({ memberUserIds: ids([tom, stays, comes]), memberCount: 3, ownerUserId: tom.userId });
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
    expect(members.map((member) => member.role)).toEqual([GroupRole.OWNER, GroupRole.ADMIN, GroupRole.MEMBER]);
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
    expect((await tom.rpc.group.getGroup({ groupId })).group?.memberUserIds).toEqual(ids([tom, admin]));
  });
});

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
  for (const call of calls) expect(await refused(call)).toMatchObject({ reason: "ROLE_TOO_LOW" });
});

test("the app's backend alone lists, joins and leaves nothing", async () => {
  const groupId = await newGroup(await newUser(server), []);
  const { group } = backend(server);
  for (const call of [group.listGroups({}), group.joinGroup({ groupId }), group.leaveGroup({ groupId })])
    expect(await refused(call)).toMatchObject({ reason: "UNAUTHENTICATED" });
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
