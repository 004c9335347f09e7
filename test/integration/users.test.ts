import { UserKind } from "@parley/proto/parley/v1/user_pb.js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { backend, newUser, startTestServer, type TestServer } from "../support/index.js";
import { newGuest, refused, watch } from "./watching.js";

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => server.close());

describe("GetUser and BatchGetUsers", () => {
  test("anybody of the app finds anybody of it", async () => {
    const [tom, jerry, guest] = [await newUser(server), await newUser(server), await newGuest(server)];
    expect((await tom.rpc.user.getUser({ userId: jerry.userId })).user).toMatchObject({
      userId: jerry.userId,
      kind: UserKind.ORDINARY,
    });
    expect((await guest.user.getUser({ userId: tom.userId })).user?.userId).toBe(tom.userId);
    expect((await tom.rpc.user.getUser({ userId: guest.userId })).user?.kind).toBe(UserKind.GUEST);
  });

  test("the unknown is NOT_FOUND alone and left out of a batch", async () => {
    const [tom, jerry] = [await newUser(server), await newUser(server)];
    expect(await refused(tom.rpc.user.getUser({ userId: "nobody" }))).toEqual({
      code: "NotFound",
      reason: "NOT_FOUND",
      field: "user_id",
    });
    const userIds = [jerry.userId, "nobody", tom.userId, jerry.userId];
    const { users } = await tom.rpc.user.batchGetUsers({ userIds });
    expect(users.map((user) => user.userId)).toEqual([jerry.userId, tom.userId].sort());
  });
});

describe("UpdateUser", () => {
  test("changes what is set, and tells the user's devices and friends", async () => {
    const [tom, jerry, spike] = [await newUser(server), await newUser(server), await newUser(server)];
    await tom.rpc.friend.addFriend({ userId: jerry.userId });
    const [seenByTom, seenByJerry, seenBySpike] = [await watch(tom), await watch(jerry), await watch(spike)];
    const { user } = await tom.rpc.user.updateUser({
      displayName: "Tom",
      avatarUrl: "https://example.com/tom.png",
      attributes: { colour: "grey" },
    });
    expect(user).toMatchObject({
      userId: tom.userId,
      displayName: "Tom",
      avatarUrl: "https://example.com/tom.png",
      attributes: { colour: "grey" },
    });
    expect((await spike.rpc.user.getUser({ userId: tom.userId })).user).toEqual(user);
    const event = expect.objectContaining({ userId: tom.userId, displayName: "Tom", attributes: { colour: "grey" } });
    expect(await seenByTom()).toEqual([{ userChanged: { user: event, change: "CHANGE_KIND_UPDATED" } }]);
    expect(await seenByJerry()).toEqual([{ userChanged: { user: event, change: "CHANGE_KIND_UPDATED" } }]);
    expect(await seenBySpike()).toEqual([]);

    expect((await tom.rpc.user.updateUser({ avatarUrl: "" })).user).toMatchObject({
      displayName: "Tom",
      avatarUrl: "",
      attributes: { colour: "grey" },
    });
    expect((await tom.rpc.user.updateUser({ attributes: {} })).user?.attributes).toEqual({});
  });

  test("tells nobody when nothing changes", async () => {
    const tom = await newUser(server);
    await tom.rpc.user.updateUser({ displayName: "Tom", attributes: { a: 1 } });
    const seen = await watch(tom);
    await tom.rpc.user.updateUser({ displayName: "Tom", attributes: { a: 1 } });
    await tom.rpc.user.updateUser({});
    expect(await seen()).toEqual([]);
  });

  test("refuses what the contract does, and attributes past their limit", async () => {
    const tom = await newUser(server);
    expect(await refused(tom.rpc.user.updateUser({ avatarUrl: "javascript:alert(1)" }))).toMatchObject({
      reason: "INVALID_FIELD",
      field: "avatar_url",
    });
    const oversize = { text: "x".repeat(16 * 1024) };
    expect(await refused(tom.rpc.user.updateUser({ attributes: oversize }))).toEqual({
      code: "ResourceExhausted",
      reason: "TOO_LARGE",
      field: "attributes",
      limit: "16384",
    });
  });

  test("the app's backend changes the user it acts for", async () => {
    const tom = await newUser(server);
    await backend(server).as(tom.userId).user.updateUser({ displayName: "Thomas" });
    expect((await tom.rpc.user.getUser({ userId: tom.userId })).user?.displayName).toBe("Thomas");
  });
});

describe("GetPresence and BatchGetPresence", () => {
  test("tell of oneself and of friends", async () => {
    const [tom, jerry, spike] = [await newUser(server), await newUser(server), await newUser(server)];
    await tom.rpc.friend.addFriend({ userId: jerry.userId });
    for (const userId of [tom.userId, jerry.userId])
      expect((await tom.rpc.user.getPresence({ userId })).presence).toMatchObject({ userId, online: false });
    for (const userId of [spike.userId, "nobody"])
      expect(await refused(tom.rpc.user.getPresence({ userId }))).toEqual({
        code: "PermissionDenied",
        reason: "NOT_FRIEND",
        field: "user_id",
      });
    const userIds = [tom.userId, jerry.userId, spike.userId, "nobody", jerry.userId];
    const { presences } = await tom.rpc.user.batchGetPresence({ userIds });
    expect(presences.map((presence) => presence.userId)).toEqual([tom.userId, jerry.userId].sort());
  });

  test("a friend is online while it has a stream", async () => {
    const [tom, jerry] = [await newUser(server), await newUser(server)];
    await tom.rpc.friend.addFriend({ userId: jerry.userId });
    const stop = new AbortController();
    const frames = jerry.rpc.message.subscribe({}, { signal: stop.signal })[Symbol.asyncIterator]();
    for (let frame: string | undefined; frame !== "caughtUp"; ) frame = (await frames.next()).value?.frame.case;
    const { presence } = await tom.rpc.user.getPresence({ userId: jerry.userId });
    expect(presence?.online).toBe(true);
    expect(presence?.lastActiveTime).toBeDefined();
    expect((await tom.rpc.friend.getFriend({ userId: jerry.userId })).friend).toMatchObject({
      online: true,
      lastActiveTime: presence?.lastActiveTime,
    });
    stop.abort();
    await frames.next().catch(() => undefined);
  });
});
