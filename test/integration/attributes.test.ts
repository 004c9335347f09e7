import { type JsonObject, toJson } from "@bufbuild/protobuf";
import { ValueSchema } from "@bufbuild/protobuf/wkt";
import { createServiceClient } from "@parley/client";
import { GroupRole } from "@parley/proto/parley/v1/group_pb.js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { backend, startTestServer, type TestServer, type TestUser } from "../support/index.js";
import { must, newGroup, newGuest, newRoom, newUsers } from "../support/messaging.js";
import { refused, watch } from "./watching.js";

let server: TestServer;
let [tom, jerry, spike] = [] as unknown as [TestUser, TestUser, TestUser];
beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => server.close());

async function cast() {
  [tom, jerry, spike] = (await newUsers(server, ["tom", "jerry", "spike"])) as [TestUser, TestUser, TestUser];
}
const group = (value: string) => ({ target: { case: "groupId" as const, value } });
const room = (value: string) => ({ target: { case: "roomId" as const, value } });
const inGroup = (groupId: string, { userId }: TestUser) => ({
  target: { case: "groupMember" as const, value: { groupId, userId } },
});
const inRoom = (roomId: string, { userId }: TestUser) => ({
  target: { case: "roomMember" as const, value: { roomId, userId } },
});

/** An object that nests so deep, and one whose encoded form has so many bytes. */
const nested = (depth: number): JsonObject => (depth === 1 ? { end: 1 } : { in: nested(depth - 1) });
// Tag and length of the entry, of its key `fill`, of the value and of the text in it.
const filled = (bytes: number): JsonObject => ({ fill: "x".repeat(bytes - 15) });

describe("one's own attributes", () => {
  test("are merged, replaced, got whole and one by one, and cleared", async () => {
    await cast();
    const { user } = tom.rpc;
    expect((await user.getAttributes({})).attributes).toEqual({});
    const first = { a: 1, deep: { kept: [1, { x: "y" }], gone: true }, list: [1, 2] };
    expect((await user.updateAttributes({ attributes: first })).attributes).toEqual(first);
    const patch = { a: null, deep: { gone: null, made: { b: null, c: "é" } }, list: [3], absent: null };
    const merged = { deep: { kept: [1, { x: "y" }], made: { c: "é" } }, list: [3] };
    expect((await user.updateAttributes({ attributes: patch })).attributes).toEqual(merged);
    expect((await user.getAttributes({})).attributes).toEqual(merged);
    expect((await jerry.rpc.user.getUser({ userId: tom.userId })).user?.attributes).toEqual(merged);
    const one = async (path: string) => toJson(ValueSchema, must((await user.getAttribute({ path })).value));
    expect(await one("deep.made.c")).toBe("é");
    expect(await one("deep.kept.1.x")).toBe("y");
    expect(await one("list")).toEqual([3]);
    expect((await user.replaceAttributes({ attributes: { "a.b": null, "\\": 0, "": 7 } })).attributes).toEqual({
      "a.b": null,
      "\\": 0,
      "": 7,
    });
    expect([await one("a\\.b"), await one("\\\\")]).toEqual([null, 0]);
    await user.clearAttributes({});
    expect((await user.getAttributes({})).attributes).toEqual({});
  });

  test("that are not there are NOT_FOUND, and a path that is none INVALID_FIELD", async () => {
    await cast();
    await tom.rpc.user.updateAttributes({ attributes: { list: [1], deep: { a: null }, text: "words" } });
    const missing = ["b", "deep.b", "deep.a.b", "list.1", "list.-1", "list.00", "list.length", "text.length", "text.0"];
    for (const path of [...missing, "constructor", "__proto__", "toString", "deep.__proto__", "."])
      expect(await refused(tom.rpc.user.getAttribute({ path })), path).toEqual({
        code: "NotFound",
        reason: "NOT_FOUND",
        field: "path",
      });
    for (const path of ["a\\", "a\\b", ""])
      expect(await refused(tom.rpc.user.getAttribute({ path }))).toMatchObject({
        reason: "INVALID_FIELD",
        field: "path",
      });
    const longest = "a".repeat(1_024);
    expect(await refused(tom.rpc.user.getAttribute({ path: longest }))).toMatchObject({ reason: "NOT_FOUND" });
    expect(await refused(tom.rpc.user.getAttribute({ path: `${longest}a` }))).toMatchObject({
      reason: "TOO_LARGE",
      field: "path",
    });
  });

  test("have at most 16 KiB and 16 levels after a merge", async () => {
    await cast();
    const { user } = tom.rpc;
    const most = 16 * 1024;
    await user.replaceAttributes({ attributes: filled(most) });
    const full = must((await user.getAttributes({})).attributes);
    const tooLarge = (limit: number) => ({
      code: "ResourceExhausted",
      reason: "TOO_LARGE",
      field: "attributes",
      limit: String(limit),
    });
    // One byte more, by a merge of a small patch.
    expect(await refused(user.updateAttributes({ attributes: { one: 1 } }))).toEqual(tooLarge(most));
    expect(await refused(user.replaceAttributes({ attributes: filled(most + 1) }))).toEqual(tooLarge(most));
    expect((await user.getAttributes({})).attributes).toEqual(full);
    expect((await user.updateAttributes({ attributes: { fill: null, one: 1 } })).attributes).toEqual({ one: 1 });
    await user.updateAttributes({ attributes: nested(16) });
    expect(await refused(user.updateAttributes({ attributes: nested(17) }))).toEqual(tooLarge(16));
    // Each is shallow enough, and together they are not.
    await user.replaceAttributes({ attributes: { in: { in: nested(14) } } });
    const deeper = JSON.parse(`${'{"in":'.repeat(15)}{"end":{"a":1}}${"}".repeat(15)}`) as JsonObject;
    expect(await refused(user.updateAttributes({ attributes: deeper }))).toEqual(tooLarge(16));
  });

  test("keep names that plain objects know through a merge, as plain data", async () => {
    await cast();
    const poison = JSON.parse(
      '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}},"toString":"x"}',
    ) as JsonObject;
    await tom.rpc.user.updateAttributes({ attributes: poison });
    await tom.rpc.user.updateAttributes({ attributes: JSON.parse('{"__proto__":{"more":2}}') as JsonObject });
    const text = JSON.stringify((await tom.rpc.user.getAttributes({})).attributes);
    expect(JSON.parse(text)).toEqual(
      JSON.parse('{"__proto__":{"polluted":1,"more":2},"constructor":{"prototype":{"polluted":1}},"toString":"x"}'),
    );
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
    expect(({} as { more?: unknown }).more).toBeUndefined();
    const value = (await tom.rpc.user.getAttribute({ path: "__proto__.more" })).value;
    expect(toJson(ValueSchema, must(value))).toBe(2);
  });
});

describe("attributes of others", () => {
  test("of a group are its members' to read and its owner's to change, and members are told", async () => {
    await cast();
    const groupId = await newGroup(tom, [jerry]);
    const seen = await watch(jerry);
    await tom.rpc.user.updateAttributes({ target: group(groupId), attributes: { colour: "blue" } });
    const change = { groupId, change: "CHANGE_KIND_UPDATED", actorUserId: tom.userId };
    const told = expect.objectContaining({
      ...change,
      group: expect.objectContaining({ attributes: { colour: "blue" } }),
    });
    expect(await seen()).toEqual([{ groupChanged: told }]);
    expect((await jerry.rpc.user.getAttributes({ target: group(groupId) })).attributes).toEqual({ colour: "blue" });
    expect((await jerry.rpc.group.getGroup({ groupId })).group?.attributes).toEqual({ colour: "blue" });
    expect(await refused(spike.rpc.user.getAttributes({ target: group(groupId) }))).toMatchObject({
      reason: "NOT_MEMBER",
    });
    const change2 = { target: group(groupId), attributes: {} };
    expect(await refused(jerry.rpc.user.replaceAttributes(change2))).toMatchObject({ reason: "ROLE_TOO_LOW" });
    expect(await refused(tom.rpc.user.clearAttributes({ target: group("nowhere") }))).toMatchObject({
      reason: "NOT_FOUND",
      field: "group_id",
    });
    await backend(server).user.replaceAttributes({ target: group(groupId), attributes: { by: "backend" } });
    expect(await seen()).toMatchObject([{ groupChanged: { group: { attributes: { by: "backend" } } } }]);
  });

  test("of a member are a card: its own, the owner's and admins', in groups and rooms", async () => {
    await cast();
    const [groupId, roomId] = [await newGroup(tom, [jerry, spike]), await newRoom(tom, [jerry, spike])];
    await tom.rpc.group.updateGroupMember({ groupId, userId: spike.userId, role: GroupRole.ADMIN });
    for (const by of [jerry, spike, tom])
      await by.rpc.user.updateAttributes({
        target: inGroup(groupId, jerry),
        attributes: { [must(by.userId.split("-")[0])]: 1 },
      });
    for (const by of [jerry, tom])
      await by.rpc.user.updateAttributes({
        target: inRoom(roomId, jerry),
        attributes: { [must(by.userId.split("-")[0])]: 1 },
      });
    const { members } = await jerry.rpc.group.listGroupMembers({ groupId });
    expect(members.find(({ userId }) => userId === jerry.userId)?.attributes).toEqual({ jerry: 1, spike: 1, tom: 1 });
    const inside = await jerry.rpc.room.listRoomMembers({ roomId });
    expect(inside.members.find(({ userId }) => userId === jerry.userId)?.attributes).toEqual({ jerry: 1, tom: 1 });
    const seen = await watch(spike);
    await jerry.rpc.user.clearAttributes({ target: inRoom(roomId, jerry) });
    expect(await seen()).toMatchObject([
      { roomMemberChanged: { roomId, change: "CHANGE_KIND_UPDATED", userIds: [jerry.userId], memberCount: 3 } },
    ]);
    const ofTom = { target: inGroup(groupId, tom), attributes: {} };
    expect(await refused(jerry.rpc.user.updateAttributes(ofTom))).toMatchObject({
      reason: "ROLE_TOO_LOW",
      field: "user_id",
    });
    const ofSpike = { target: inRoom(roomId, spike), attributes: {} };
    expect(await refused(jerry.rpc.user.updateAttributes(ofSpike))).toMatchObject({ reason: "ROLE_TOO_LOW" });
    // A card goes with the membership.
    await jerry.rpc.group.leaveGroup({ groupId });
    expect(await refused(tom.rpc.user.getAttributes({ target: inGroup(groupId, jerry) }))).toMatchObject({
      reason: "NOT_MEMBER",
    });
    await jerry.rpc.group.joinGroup({ groupId });
    expect((await tom.rpc.user.getAttributes({ target: inGroup(groupId, jerry) })).attributes).toEqual({});
  });

  test("of a user are the backend's to change; the backend names one, or acts for one", async () => {
    await cast();
    const named = { target: { target: { case: "userId" as const, value: tom.userId } } };
    await backend(server).user.updateAttributes({ ...named, attributes: { vip: true } });
    await backend(server)
      .as(tom.userId)
      .user.updateAttributes({ attributes: { more: 1 } });
    expect((await jerry.rpc.user.getAttributes(named)).attributes).toEqual({ vip: true, more: 1 });
    expect(await refused(jerry.rpc.user.updateAttributes({ ...named, attributes: {} }))).toEqual({
      code: "PermissionDenied",
      reason: "ROLE_TOO_LOW",
      field: "target.user_id",
    });
    expect(await refused(backend(server).user.getAttributes({}))).toMatchObject({ reason: "UNAUTHENTICATED" });
    const nobody = { target: { target: { case: "userId" as const, value: "nobody" } } };
    expect(await refused(tom.rpc.user.getAttributes(nobody))).toMatchObject({ reason: "NOT_FOUND" });
  });

  test("a guest has its own and reaches no group", async () => {
    await cast();
    const guest = await newGuest(server, { page: "/prices" });
    const groupId = await newGroup(tom, []);
    expect((await guest.rpc.user.updateAttributes({ attributes: { seen: 2 } })).attributes).toEqual({
      page: "/prices",
      seen: 2,
    });
    expect(await refused(guest.rpc.user.getAttributes({ target: group(groupId) }))).toMatchObject({
      reason: "ROLE_TOO_LOW",
    });
    expect(await refused(guest.rpc.user.getAttributes({ target: room("r") }))).toMatchObject({
      reason: "ROLE_TOO_LOW",
    });
  });

  test("changes that race are merged one after the other", async () => {
    await cast();
    const keys = Array.from({ length: 20 }, (_, at) => `key${at}`);
    await Promise.all(keys.map((key) => tom.rpc.user.updateAttributes({ attributes: { [key]: 1 } })));
    expect(Object.keys(must((await tom.rpc.user.getAttributes({})).attributes)).sort()).toEqual(keys.sort());
  });

  test("the SDK has a call for each", async () => {
    await cast();
    const client = createServiceClient({ baseUrl: server.url, serviceKey: server.serviceKey });
    const own = client.as(tom.userId).users.attributes;
    await own.merge({ address: { city: "Oslo" } });
    expect(await own.getOne("address.city")).toBe("Oslo");
    const groupId = await newGroup(tom, [jerry]);
    await client.groups.attributes(groupId).replace({ topic: "cats" });
    await client.groups.memberAttributes(groupId, jerry.userId).merge({ seat: 4 });
    expect(await client.groups.memberAttributes(groupId, jerry.userId).get()).toEqual({ seat: 4 });
    await client.users.attributesOf(tom.userId).clear();
    expect(await own.get()).toEqual({});
    await expect(own.getOne("address.city")).rejects.toMatchObject({ reason: "NOT_FOUND", field: "path" });
    client.close();
  });
});
