import { View } from "@parley/proto/parley/v1/user_pb.js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { backend, newUser, startTestServer, type TestServer, type TestUser } from "../support/index.js";
import { otherApp } from "../support/messaging.js";
import { newGuest, refused, watch } from "./watching.js";

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => server.close());

const users = async (count: number): Promise<TestUser[]> =>
  await Promise.all(Array.from({ length: count }, () => newUser(server)));
const ids = (of: TestUser[]) => of.map((user) => user.userId);

async function newRoom(creator: TestUser, members: TestUser[]) {
  const { room } = await creator.rpc.room.createRoom({ memberUserIds: ids(members) });
  return room?.roomId ?? "";
}

const denied = (reason: string, field: string) => ({ code: "PermissionDenied", reason, field });
const noRoom = { code: "NotFound", reason: "NOT_FOUND", field: "room_id" };

function memberEvent(roomId: string, change: string, userIds: string[], actorUserId: string, memberCount: number) {
  return { roomMemberChanged: { roomId, userIds, change: `CHANGE_KIND_${change}`, actorUserId, memberCount } };
}

describe("CreateRoom", () => {
  test("makes the caller creator and member, and tells the members alone", async () => {
    const [tom, jerry, spike] = (await users(3)) as [TestUser, TestUser, TestUser];
    const seen = await Promise.all([tom, jerry, spike].map(watch));
    const { room } = await tom.rpc.room.createRoom({
      name: "Kitchen",
      memberUserIds: [jerry.userId],
      attributes: { colour: "white" },
    });
    const memberUserIds = ids([tom, jerry]).sort();
    expect(room).toMatchObject({
      name: "Kitchen",
      creatorUserId: tom.userId,
      memberUserIds,
      memberCount: 2,
      attributes: { colour: "white" },
    });
    const event = {
      roomChanged: {
        roomId: room?.roomId,
        change: "CHANGE_KIND_ADDED",
        actorUserId: tom.userId,
        room: expect.objectContaining({ name: "Kitchen", creatorUserId: tom.userId, memberUserIds, memberCount: 2 }),
      },
    };
    expect(await seen[0]?.()).toEqual([event]);
    expect(await seen[1]?.()).toEqual([event]);
    expect(await seen[2]?.()).toEqual([]);
    // What is said in a room is kept nowhere.
    expect((await tom.rpc.conversation.listConversations({})).conversations).toEqual([]);
  });

  test("refuses the unknown and guests, and makes nothing then", async () => {
    const [tom, jerry] = (await users(2)) as [TestUser, TestUser];
    const guest = await newGuest(server);
    const create = (memberUserIds: string[]) => tom.rpc.room.createRoom({ memberUserIds });
    expect(await refused(create([jerry.userId, "nobody"]))).toEqual({
      code: "NotFound",
      reason: "NOT_FOUND",
      field: "member_user_ids[1]",
    });
    expect(await refused(create([guest.userId]))).toEqual(denied("ROLE_TOO_LOW", "member_user_ids[0]"));
    expect((await tom.rpc.room.listRooms({})).rooms).toEqual([]);
  });

  test("a request_id makes it once", async () => {
    const tom = await newUser(server);
    const request = { name: "once", requestId: "key" };
    const answers = await Promise.all([tom.rpc.room.createRoom(request), tom.rpc.room.createRoom(request)]);
    expect(answers[1]).toEqual(answers[0]);
    expect(await refused(tom.rpc.room.createRoom({ ...request, name: "twice" }))).toEqual({
      code: "AlreadyExists",
      reason: "IDEMPOTENCY_CONFLICT",
      field: "request_id",
    });
    expect((await tom.rpc.room.listRooms({})).rooms).toHaveLength(1);
  });

  test("a room of the app's backend belongs to nobody", async () => {
    const [tom, jerry] = (await users(2)) as [TestUser, TestUser];
    const api = backend(server);
    const { room } = await api.room.createRoom({ memberUserIds: [tom.userId] });
    expect(room).toMatchObject({ creatorUserId: "", memberUserIds: [tom.userId], memberCount: 1 });
    expect((await api.room.createRoom({})).room).toMatchObject({ memberCount: 0, memberUserIds: [] });
    const roomId = room?.roomId ?? "";
    expect(await refused(tom.rpc.room.updateRoom({ roomId, name: "x" }))).toEqual(denied("ROLE_TOO_LOW", "room_id"));
    expect((await api.room.updateRoom({ roomId, name: "ours" })).room?.name).toBe("ours");
    await api.room.addRoomMembers({ roomId, userIds: [jerry.userId] });
    await api.room.removeRoomMembers({ roomId, userIds: [tom.userId] });
    expect((await api.room.getRoom({ roomId })).room?.memberUserIds).toEqual([jerry.userId]);
    await api.room.deleteRoom({ roomId });
  });
});

describe("GetRoom, ListRooms and ListRoomMembers", () => {
  test("anybody may look; members list one another", async () => {
    const [tom, jerry] = (await users(2)) as [TestUser, TestUser];
    const roomId = await newRoom(tom, []);
    expect((await jerry.rpc.room.getRoom({ roomId })).room?.memberUserIds).toEqual([tom.userId]);
    expect(await refused(jerry.rpc.room.listRoomMembers({ roomId }))).toEqual(denied("NOT_MEMBER", "room_id"));
    expect(await refused(jerry.rpc.room.getRoom({ roomId: "nope" }))).toEqual(noRoom);
    expect(await refused(jerry.rpc.room.listRoomMembers({ roomId: "nope" }))).toEqual(noRoom);
    // A group is no room.
    const { group } = await tom.rpc.group.createGroup({});
    expect(await refused(tom.rpc.room.getRoom({ roomId: group?.groupId ?? "" }))).toEqual(noRoom);
  });

  test("give pages", async () => {
    const [tom, jerry, spike] = (await users(3)) as [TestUser, TestUser, TestUser];
    const roomIds = [await newRoom(tom, []), await newRoom(tom, []), await newRoom(tom, [])].sort();
    await tom.rpc.group.createGroup({});
    const first = await tom.rpc.room.listRooms({ pageSize: 2 });
    expect(first.rooms.map((room) => [room.roomId, room.creatorUserId])).toEqual(
      roomIds.slice(0, 2).map((roomId) => [roomId, ""]),
    );
    const second = await tom.rpc.room.listRooms({ pageSize: 2, pageToken: first.nextPageToken });
    expect(second.rooms.map((room) => room.roomId)).toEqual(roomIds.slice(2));
    expect(second.nextPageToken).toBe("");
    const { rooms } = await tom.rpc.room.listRooms({ view: View.FULL });
    for (const room of rooms) expect(room).toEqual((await tom.rpc.room.getRoom({ roomId: room.roomId })).room);

    const roomId = roomIds[0] ?? "";
    for (const user of [jerry, spike]) await user.rpc.room.joinRoom({ roomId });
    const page = await tom.rpc.room.listRoomMembers({ roomId, pageSize: 2 });
    const rest = await tom.rpc.room.listRoomMembers({ roomId, pageSize: 2, pageToken: page.nextPageToken });
    expect([...page.members, ...rest.members].map((member) => member.userId)).toEqual(ids([tom, jerry, spike]));
    expect(page.members[0]?.joinTime).toBeDefined();
    expect(rest.nextPageToken).toBe("");
  });
});

describe("UpdateRoom", () => {
  test("is the creator's, and tells the members of what changed", async () => {
    const [tom, jerry] = (await users(2)) as [TestUser, TestUser];
    const roomId = await newRoom(tom, [jerry]);
    const seen = await watch(jerry);
    const { room } = await tom.rpc.room.updateRoom({ roomId, name: "new", attributes: { a: 1 } });
    expect(room).toMatchObject({ name: "new", attributes: { a: 1 }, memberUserIds: ids([tom, jerry]).sort() });
    await tom.rpc.room.updateRoom({ roomId, name: "new", attributes: { a: 1 } });
    const [event, ...others] = (await seen()) as [{ roomChanged: { room: object } }];
    expect(others).toEqual([]);
    expect(event.roomChanged).toMatchObject({ roomId, change: "CHANGE_KIND_UPDATED", actorUserId: tom.userId });
    expect(event.roomChanged.room).toMatchObject({ name: "new", memberCount: 2 });
    expect(event.roomChanged.room).not.toHaveProperty("memberUserIds");
    expect(await refused(jerry.rpc.room.updateRoom({ roomId, name: "x" }))).toEqual(denied("ROLE_TOO_LOW", "room_id"));
    expect(await refused(tom.rpc.room.updateRoom({ roomId: "nope" }))).toEqual(noRoom);
  });
});

describe("members", () => {
  test("anybody joins and leaves; a joiner sees nothing before, a leaver nothing after", async () => {
    const [tom, jerry, spike] = (await users(3)) as [TestUser, TestUser, TestUser];
    const roomId = await newRoom(tom, []);
    const [seenByTom, seenByJerry] = [await watch(tom), await watch(jerry)];
    await tom.rpc.room.updateRoom({ roomId, name: "before" });
    const { room } = await jerry.rpc.room.joinRoom({ roomId });
    expect(room?.memberUserIds).toEqual(ids([tom, jerry]));
    expect((await jerry.rpc.room.joinRoom({ roomId })).room).toEqual(room);
    await jerry.rpc.room.leaveRoom({ roomId });
    await jerry.rpc.room.leaveRoom({ roomId });
    await spike.rpc.room.joinRoom({ roomId });
    const joined = memberEvent(roomId, "ADDED", [jerry.userId], jerry.userId, 2);
    const left = memberEvent(roomId, "REMOVED", [jerry.userId], jerry.userId, 1);
    expect(await seenByJerry()).toEqual([joined, left]);
    expect(await seenByTom()).toEqual([
      expect.objectContaining({ roomChanged: expect.anything() }),
      joined,
      left,
      memberEvent(roomId, "ADDED", [spike.userId], spike.userId, 2),
    ]);
    for (const call of [jerry.rpc.room.joinRoom, jerry.rpc.room.leaveRoom])
      expect(await refused(call({ roomId: "nope" }))).toEqual(noRoom);
  });

  test("any member adds others; one who is none does not; naming oneself is joining", async () => {
    const [tom, jerry, spike, tyke] = (await users(4)) as [TestUser, TestUser, TestUser, TestUser];
    const roomId = await newRoom(tom, [jerry]);
    expect(await refused(spike.rpc.room.addRoomMembers({ roomId, userIds: ids([spike, tyke]) }))).toEqual(
      denied("NOT_MEMBER", "room_id"),
    );
    const seen = await watch(tyke);
    const { room } = await jerry.rpc.room.addRoomMembers({ roomId, userIds: ids([tyke, tom]) });
    expect(room?.memberCount).toBe(3);
    expect(await seen()).toEqual([memberEvent(roomId, "ADDED", [tyke.userId], jerry.userId, 3)]);
    expect((await spike.rpc.room.addRoomMembers({ roomId, userIds: ids([spike]) })).room?.memberCount).toBe(4);
    expect(await refused(tom.rpc.room.addRoomMembers({ roomId, userIds: ["nobody"] }))).toEqual({
      code: "NotFound",
      reason: "NOT_FOUND",
      field: "user_ids[0]",
    });
  });

  test("the creator alone removes others, also after leaving", async () => {
    const [tom, jerry, spike] = (await users(3)) as [TestUser, TestUser, TestUser];
    const roomId = await newRoom(tom, [jerry, spike]);
    const remove = (by: TestUser, ...whom: TestUser[]) => by.rpc.room.removeRoomMembers({ roomId, userIds: ids(whom) });
    expect(await refused(remove(jerry, spike))).toEqual(denied("ROLE_TOO_LOW", "room_id"));
    expect(await refused(remove(await newUser(server), spike))).toEqual(denied("ROLE_TOO_LOW", "room_id"));
    expect((await remove(tom, tom)).room?.memberUserIds).toEqual(
      ids([jerry, spike].sort((a, b) => (a.userId < b.userId ? -1 : 1))),
    );
    expect((await tom.rpc.room.getRoom({ roomId })).room?.creatorUserId).toBe(tom.userId);
    const seen = await watch(spike);
    expect((await remove(tom, spike, await newUser(server))).room?.memberUserIds).toEqual([jerry.userId]);
    expect(await seen()).toEqual([memberEvent(roomId, "REMOVED", [spike.userId], tom.userId, 1)]);
    // Adding is a member's.
    expect(await refused(tom.rpc.room.addRoomMembers({ roomId, userIds: [spike.userId] }))).toEqual(
      denied("NOT_MEMBER", "room_id"),
    );
    expect((await tom.rpc.room.joinRoom({ roomId })).room?.memberUserIds).toEqual(ids([jerry, tom]));
  });

  test("ReplaceRoomMembers keeps the creator if it is a member", async () => {
    const [tom, jerry, spike] = (await users(3)) as [TestUser, TestUser, TestUser];
    const roomId = await newRoom(tom, [jerry]);
    const replace = (by: TestUser, ...whom: TestUser[]) =>
      by.rpc.room.replaceRoomMembers({ roomId, userIds: ids(whom) });
    expect(await refused(replace(jerry, spike))).toEqual(denied("ROLE_TOO_LOW", "room_id"));
    const seen = await watch(jerry);
    expect((await replace(tom, spike)).room?.memberUserIds).toEqual(ids([tom, spike]));
    expect(await seen()).toEqual([memberEvent(roomId, "REMOVED", [jerry.userId], tom.userId, 1)]);
    await tom.rpc.room.leaveRoom({ roomId });
    expect((await replace(tom, jerry)).room?.memberUserIds).toEqual([jerry.userId]);
    expect((await replace(tom)).room).toMatchObject({ memberUserIds: [], memberCount: 0 });
  });
});

describe("DeleteRoom", () => {
  test("is the creator's; the members replay its end alone", async () => {
    const [tom, jerry] = (await users(2)) as [TestUser, TestUser];
    const [seenByTom, seenByJerry] = [await watch(tom), await watch(jerry)];
    const roomId = await newRoom(tom, [jerry]);
    expect(await refused(jerry.rpc.room.deleteRoom({ roomId }))).toEqual(denied("ROLE_TOO_LOW", "room_id"));
    await tom.rpc.room.deleteRoom({ roomId });
    const end = { roomChanged: { roomId, change: "CHANGE_KIND_REMOVED", actorUserId: tom.userId } };
    expect(await seenByTom()).toEqual([end]);
    expect(await seenByJerry()).toEqual([end]);
    expect(await refused(tom.rpc.room.getRoom({ roomId }))).toEqual(noRoom);
    expect(await refused(tom.rpc.room.deleteRoom({ roomId }))).toEqual(noRoom);
    expect((await jerry.rpc.room.listRooms({})).rooms).toEqual([]);
  });
});

test("guests are refused everywhere", async () => {
  const [tom, { room, userId }] = [await newUser(server), await newGuest(server)];
  const roomId = await newRoom(tom, []);
  const calls = [
    room.createRoom({}),
    room.getRoom({ roomId }),
    room.listRooms({}),
    room.updateRoom({ roomId }),
    room.deleteRoom({ roomId }),
    room.addRoomMembers({ roomId, userIds: [userId] }),
    room.removeRoomMembers({ roomId, userIds: [userId] }),
    room.replaceRoomMembers({ roomId, userIds: [] }),
    room.listRoomMembers({ roomId }),
    room.joinRoom({ roomId }),
    room.leaveRoom({ roomId }),
  ];
  for (const refusal of await Promise.all(calls.map(refused)))
    expect(refusal).toMatchObject({ reason: "ROLE_TOO_LOW" });
});

describe("limits", () => {
  let small: TestServer;
  beforeAll(async () => {
    small = await startTestServer({ limits: { roomMembers: 3 } });
  });
  afterAll(() => small.close());

  test("a room takes as many as allowed and not one more", async () => {
    const [tom, a, b, c] = (await Promise.all(Array.from({ length: 4 }, () => newUser(small)))) as [
      TestUser,
      TestUser,
      TestUser,
      TestUser,
    ];
    const full = (field: string) => ({ code: "ResourceExhausted", reason: "MEMBER_LIMIT", field, limit: "3" });
    expect(await refused(tom.rpc.room.createRoom({ memberUserIds: ids([a, b, c]) }))).toEqual(full("member_user_ids"));
    const roomId = await newRoom(tom, [a, b]);
    expect(await refused(c.rpc.room.joinRoom({ roomId }))).toEqual(full("room_id"));
    expect(await refused(tom.rpc.room.addRoomMembers({ roomId, userIds: [c.userId] }))).toEqual(full("user_ids"));
    expect(await refused(tom.rpc.room.replaceRoomMembers({ roomId, userIds: ids([a, b, c]) }))).toEqual(
      full("user_ids"),
    );
    await a.rpc.room.leaveRoom({ roomId });
    expect((await c.rpc.room.joinRoom({ roomId })).room?.memberCount).toBe(3);
  });

  test("a room takes as many as the app's setting allows", async () => {
    const app = await otherApp(server, { maxRoomMembers: 2 });
    const [tom, a, b] = (await Promise.all(Array.from({ length: 3 }, () => newUser(app)))) as [
      TestUser,
      TestUser,
      TestUser,
    ];
    const full = { code: "ResourceExhausted", reason: "MEMBER_LIMIT", field: "room_id", limit: "2" };
    const roomId = await newRoom(tom, [a]);
    expect(await refused(b.rpc.room.joinRoom({ roomId }))).toEqual(full);
    await backend(app).admin.updateSettings({ settings: { maxRoomMembers: 3 } });
    expect((await b.rpc.room.joinRoom({ roomId })).room?.memberCount).toBe(3);
    const wrong = (maxRoomMembers: number) =>
      refused(backend(app).admin.updateSettings({ settings: { maxRoomMembers } }));
    for (const number of [1, 1001])
      expect(await wrong(number)).toMatchObject({ reason: "INVALID_FIELD", field: "settings.max_room_members" });
    await backend(app).admin.updateSettings({ settings: { maxRoomMembers: 1000 } });
  });
});
