import type { JsonObject } from "@bufbuild/protobuf";
import { fromJson } from "@bufbuild/protobuf";
import { ValueSchema } from "@bufbuild/protobuf/wkt";
import { createServiceClient } from "@parley/client";
import { JoinPolicy } from "@parley/proto/parley/v1/group_pb.js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { fakeClock } from "../support/fake-clock.js";
import { backend, newUser, refusal, startTestServer, type TestServer, type TestUser } from "../support/index.js";
import { count, must, newGuest, newRoom, newUsers, otherApp, subject } from "../support/messaging.js";
import { refused } from "./watching.js";

let server: TestServer;
let tom: TestUser;
beforeAll(async () => {
  server = await startTestServer();
  tom = await newUser(server, "tom");
});
afterAll(() => server.close());

const equals = (path: string, value: string | number | boolean | null | JsonObject) => ({
  path,
  condition: { case: "equals" as const, value: fromJson(ValueSchema, value) },
});
const contains = (path: string, value: string) => ({ path, condition: { case: "contains" as const, value } });

describe("SearchUsers", () => {
  test("finds by equality, with letters as they are, and by parts, whatever their case and width", async () => {
    const tag = subject("t");
    const { admin } = backend(server);
    const [a, b, c] = [`a-${tag}`, `b-${tag}`, `c-${tag}`];
    await admin.batchUpsertUsers({
      users: [
        { userId: a, displayName: `Ｔom Cat ${tag}`, attributes: { tag, level: 3, roles: ["Admin", "user"] } },
        { userId: b, displayName: `tom ${tag}`, attributes: { tag, level: 20, roles: ["user"], on: true } },
        { userId: c, displayName: `Jerry ${tag}`, attributes: { tag, level: null, deep: { city: "Straße" } } },
      ],
    });
    const found = async (...filters: (ReturnType<typeof equals> | ReturnType<typeof contains>)[]) => {
      const { users } = await tom.rpc.user.searchUsers({ filters: [equals("tag", tag), ...filters] });
      return users.map(({ userId }) => userId.slice(0, 1)).join("");
    };
    expect(await found()).toBe("abc");
    expect(await found(contains("display_name", "TOM"))).toBe("ab");
    expect(await found(contains("display_name", "ＣＡＴ"))).toBe("a");
    expect(await found(equals("display_name", `tom ${tag}`))).toBe("b");
    expect(await found(equals("level", 20))).toBe("b");
    expect(await found(equals("level", "20"))).toBe("");
    expect(await found(equals("level", null))).toBe("c");
    expect(await found(equals("on", true))).toBe("b");
    expect(await found(equals("absent", null))).toBe("");
    expect(await found(equals("roles", "Admin"))).toBe("a");
    expect(await found(equals("roles", "admin"))).toBe("");
    expect(await found(contains("roles", "DMI"))).toBe("a");
    expect(await found(equals("attributes.deep.city", "Straße"))).toBe("c");
    expect(await found(contains("deep.city", "STRASS"))).toBe("");
    expect(await found(contains("roles", "%"))).toBe("");
    const { users } = await tom.rpc.user.searchUsers({
      filters: [equals("tag", tag)],
      sort: ["-level", "display_name"],
    });
    expect(users.map(({ userId }) => userId)).toEqual([b, a, c]);
    // What is found is what GetUser gives.
    expect(users[1]).toEqual((await tom.rpc.user.getUser({ userId: a })).user);
  });

  test("follows every change of a user", async () => {
    const tag = subject("t");
    const isFound = async (value: string) =>
      (await tom.rpc.user.searchUsers({ filters: [equals("state", value + tag)] })).users.length === 1;
    const user = await newUser(server, "follow");
    await user.rpc.user.updateUser({ attributes: { state: `new${tag}` } });
    expect(await isFound("new")).toBe(true);
    await user.rpc.user.updateAttributes({ attributes: { state: `merged${tag}` } });
    expect([await isFound("new"), await isFound("merged")]).toEqual([false, true]);
    const { admin } = backend(server);
    await admin.batchUpsertUsers({ users: [{ userId: user.userId, attributes: { state: `upserted${tag}` } }] });
    expect([await isFound("merged"), await isFound("upserted")]).toEqual([false, true]);
    await user.rpc.user.updateUser({ displayName: "renamed" });
    expect(await isFound("upserted")).toBe(true);
    await user.rpc.user.clearAttributes({});
    expect(await isFound("upserted")).toBe(false);
  });

  test("a guest's attributes at login are searched by the backend; guests themselves search nothing", async () => {
    const tag = subject("t");
    const guest = await newGuest(server, { page: tag });
    const { users } = await backend(server).user.searchUsers({ filters: [equals("page", tag)] });
    expect(users.map(({ userId }) => userId)).toEqual([guest.userId]);
    const calls = [guest.rpc.user.searchUsers({}), guest.rpc.group.searchGroups({}), guest.rpc.room.searchRooms({})];
    for (const refusal of await Promise.all(calls.map(refused)))
      expect(refusal).toMatchObject({ reason: "ROLE_TOO_LOW" });
  });

  test("an app may keep it to its backend, and finds none of another app", async () => {
    const other = await otherApp(server, { allowUserSearch: false });
    const user = await newUser(other, "alone");
    expect(await refused(user.rpc.user.searchUsers({}))).toMatchObject({ reason: "ROLE_TOO_LOW" });
    const { users } = await backend(other).user.searchUsers({});
    expect(users.map(({ userId }) => userId)).toEqual([user.userId]);
    await backend(other).admin.updateSettings({ settings: { allowUserSearch: true } });
    expect((await user.rpc.user.searchUsers({})).users).toHaveLength(1);
    expect((await backend(other).admin.getSettings({})).settings?.allowUserSearch).toBe(true);
  });

  test("refuses what it cannot do, by its field", async () => {
    const filter = equals("a", 1);
    const badly = async (request: object, field: string, reason = "INVALID_FIELD") =>
      expect(await refused(tom.rpc.user.searchUsers(request))).toMatchObject({ reason, field });
    await tom.rpc.user.searchUsers({ filters: Array.from({ length: 5 }, () => filter) });
    await badly({ filters: Array.from({ length: 6 }, () => filter) }, "filters", "TOO_LARGE");
    await tom.rpc.user.searchUsers({ sort: ["a", "-b", "c"] });
    await badly({ sort: ["a", "b", "c", "d"] }, "sort", "TOO_LARGE");
    await badly({ sort: ["a", "-a"] }, "sort[1]");
    await badly({ sort: ["-"] }, "sort[0]");
    await badly({ sort: ["a\\b"] }, "sort[0]");
    await badly({ filters: [equals("a", {})] }, "filters[0].equals");
    await badly({ filters: [filter, equals("create_time", 1)] }, "filters[1].path");
    await badly({ filters: [equals("a\\", 1)] }, "filters[0].path");
    await badly({ filters: [contains("a", "")] }, "filters[0].contains");
    await tom.rpc.user.searchUsers({ filters: [contains("a".repeat(256), "b".repeat(256))] });
    await badly({ filters: [contains("a".repeat(257), "b")] }, "filters[0].path", "TOO_LARGE");
    await badly({ filters: [contains("a", "b".repeat(257))] }, "filters[0].contains", "TOO_LARGE");
    await badly({ pageToken: "rubbish" }, "page_token");
    const { nextPageToken } = await tom.rpc.user.searchUsers({ pageSize: 1 });
    await badly({ pageToken: nextPageToken, sort: ["a"] }, "page_token");
    await badly(
      {
        filters: [
          { path: "a", condition: { case: "equals", value: { kind: { case: "numberValue", value: Number.NaN } } } },
        ],
      },
      "filters[0].equals",
    );
  });

  test("looks at the first 256 characters of a text, and at 256 values of a thing", async () => {
    const tag = subject("t");
    const user = await newUser(server, "long");
    const long = `${"x".repeat(250)}${tag}`;
    await user.rpc.user.updateUser({ attributes: { long, edge: `${"x".repeat(256 - tag.length)}${tag}` } });
    const is = async (filter: ReturnType<typeof contains> | ReturnType<typeof equals>) =>
      (await tom.rpc.user.searchUsers({ filters: [filter] })).users.length;
    expect([await is(contains("edge", tag)), await is(contains("long", tag)), await is(equals("long", long))]).toEqual([
      1, 0, 1,
    ]);
    expect(await is(equals("long", `${long}!`))).toBe(0);
    // The time of creation takes one place of the 256.
    await user.rpc.user.updateUser({ attributes: Object.fromEntries(count(256).map((at) => [`${tag}${at}`, at])) });
    expect([await is(equals(`${tag}255`, 255)), await is(equals(`${tag}256`, 256))]).toEqual([1, 0]);
  });

  test("many that are equal by the first of two paths are too many to order; one less is not", async () => {
    const own = await startTestServer({ limits: { searchedThings: 20 } });
    const { admin, user } = backend(own);
    const made = (at: number) => ({ userId: `u${at}`, attributes: { same: 1 } });
    await admin.batchUpsertUsers({ users: count(20).map(made) });
    await admin.batchUpsertUsers({ users: count(20).map((at) => ({ userId: `other${at}`, attributes: { same: 2 } })) });
    const sorted = () => user.searchUsers({ sort: ["same", "-create_time"], pageSize: 100 });
    expect((await sorted()).users).toHaveLength(20);
    await admin.batchUpsertUsers({ users: [made(21)] });
    expect(await refused(sorted())).toEqual({
      code: "ResourceExhausted",
      reason: "TOO_LARGE",
      field: "sort",
      limit: "20",
    });
    await own.close();
  });

  test("a part of a text is sought in so many rows at once; in one more things are walked, and pages end early", async () => {
    const own = await startTestServer({ limits: { searchedRows: 30, searchedThings: 5 } });
    const { admin, user } = backend(own);
    await admin.batchUpsertUsers({ users: count(29).map((at) => ({ userId: `u${at}`, displayName: `User ${at}` })) });
    await admin.batchUpsertUsers({ users: [{ userId: "z", displayName: "Needle" }] });
    const find = async (pageToken = "") => {
      const page = await user.searchUsers({ filters: [contains("display_name", "EEDL")], pageToken });
      return [page.users.map(({ userId }) => userId), page.nextPageToken] as const;
    };
    expect(await find()).toEqual([["z"], ""]);
    await admin.batchUpsertUsers({ users: [{ userId: "u30", displayName: "One more" }] });
    let [found, next] = await find();
    expect([found, next === ""]).toEqual([[], false]);
    for (let pages = 1; next !== "" && pages < 10; pages += 1) [found, next] = await find(next);
    expect([found, next]).toEqual([["z"], ""]);
    await own.close();
  });

  test("ten a second for each user; the backend is not counted", async () => {
    const clock = fakeClock();
    const own = await startTestServer({ clock, settings: { sendRate: 1 } });
    const [one, two] = (await newUsers(own, ["one", "two"])) as [TestUser, TestUser];
    for (const at of count(10)) await (at % 2 === 0 ? one.rpc.user.searchUsers({}) : one.rpc.room.searchRooms({}));
    const { reason, detail } = await refusal(one.rpc.group.searchGroups({}));
    expect([reason, detail.retryable]).toEqual(["RATE_LIMITED", true]);
    await two.rpc.user.searchUsers({});
    for (const _ of count(20)) await backend(own).user.searchUsers({});
    clock.advance(100);
    await one.rpc.user.searchUsers({});
    expect(await refused(one.rpc.user.searchUsers({}))).toMatchObject({ reason: "RATE_LIMITED" });
    await own.close();
  });
});

describe("SearchGroups and SearchRooms", () => {
  test("groups are found by their members, and open ones by everybody; without their members", async () => {
    const tag = subject("t");
    const [owner, member, stranger] = (await newUsers(server, ["owner", "member", "stranger"])) as [
      TestUser,
      TestUser,
      TestUser,
    ];
    const make = async (name: string, joinPolicy: JoinPolicy) =>
      must(
        (
          await owner.rpc.group.createGroup({
            name: `${name} ${tag}`,
            joinPolicy,
            memberUserIds: [member.userId],
            attributes: { secret: "no" },
          })
        ).group,
      ).groupId;
    const open = await make("open", JoinPolicy.OPEN);
    const invite = await make("invite", JoinPolicy.INVITE);
    const approval = await make("approval", JoinPolicy.APPROVAL);
    const request = { filters: [contains("name", tag.toUpperCase())], sort: ["name"] };
    const seenBy = async ({ rpc }: Pick<TestUser, "rpc">) =>
      (await rpc.group.searchGroups(request)).groups.map(({ groupId }) => groupId);
    expect(await seenBy(member)).toEqual([approval, invite, open]);
    expect(await seenBy(stranger)).toEqual([open]);
    expect(await seenBy({ rpc: backend(server) as never })).toEqual([approval, invite, open]);
    const { groups } = await stranger.rpc.group.searchGroups(request);
    expect(groups[0]).toMatchObject({ memberUserIds: [], memberCount: 2, ownerUserId: owner.userId });
    // What one leaves, or what is closed, is found no more; nor what is gone.
    await member.rpc.group.leaveGroup({ groupId: invite });
    await owner.rpc.group.updateGroup({ groupId: open, joinPolicy: JoinPolicy.INVITE });
    expect([await seenBy(member), await seenBy(stranger)]).toEqual([[approval, open], []]);
    await owner.rpc.group.deleteGroup({ groupId: open });
    expect(await seenBy(member)).toEqual([approval]);
  });

  test("rooms are found by everybody, by name and attributes as they are now", async () => {
    const tag = subject("t");
    const [creator, stranger] = (await newUsers(server, ["creator", "stranger"])) as [TestUser, TestUser];
    const roomId = await newRoom(creator, []);
    await creator.rpc.room.updateRoom({ roomId, name: `Lobby ${tag}`, attributes: { game: tag } });
    const find = async (filter: ReturnType<typeof contains> | ReturnType<typeof equals>) =>
      (await stranger.rpc.room.searchRooms({ filters: [filter] })).rooms.map((room) => room.roomId);
    expect(await find(contains("name", `lobby ${tag}`))).toEqual([roomId]);
    expect(await find(equals("game", tag))).toEqual([roomId]);
    await creator.rpc.room.deleteRoom({ roomId });
    expect(await find(equals("game", tag))).toEqual([]);
  });

  test("the SDK searches all three", async () => {
    const tag = subject("t");
    const client = createServiceClient({ baseUrl: server.url, serviceKey: server.serviceKey });
    await client.users.attributesOf(tom.userId).merge({ [tag]: true });
    const found = await client.users.search({ filters: [{ path: tag, equals: true }] });
    expect(found.users.map(({ userId }) => userId)).toEqual([tom.userId]);
    const as = client.as(tom.userId);
    const { groupId } = await as.groups.create({ name: tag });
    const groups = await as.groups.search({ filters: [{ path: "name", contains: tag }], sort: ["-create_time"] });
    expect(groups.groups.map((group) => group.groupId)).toEqual([groupId]);
    const { roomId } = await as.rooms.create({ name: tag });
    const rooms = await as.rooms.search({ filters: [{ path: "name", equals: tag }], pageSize: 1 });
    expect([rooms.rooms.map((room) => room.roomId), rooms.nextPageToken]).toEqual([[roomId], ""]);
    client.close();
  });
});
