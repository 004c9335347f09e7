import { View } from "@parley/proto/parley/v1/user_pb.js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { backend, newUser, startTestServer, type TestServer, type TestUser } from "../support/index.js";
import { newGuest, refused, watch } from "./watching.js";

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => server.close());

const say = (from: TestUser, to: TestUser, text: string) =>
  from.rpc.message.sendMessage({
    receiver: { peer: { case: "userId", value: to.userId } },
    content: { content: { case: "text", value: { text } } },
  });

describe("AddFriend", () => {
  test("makes both sides friends at once and tells each of the other", async () => {
    const [tom, jerry, spike] = [await newUser(server), await newUser(server), await newUser(server)];
    const [seenByTom, seenByJerry, seenBySpike] = [await watch(tom), await watch(jerry), await watch(spike)];
    const { friend, pendingRequestId } = await tom.rpc.friend.addFriend({ userId: jerry.userId, greeting: "hi" });
    expect(friend).toMatchObject({ userId: jerry.userId, online: false, user: { userId: jerry.userId } });
    expect(friend?.createTime).toBeDefined();
    expect(friend?.lastMessage).toBeUndefined();
    expect(pendingRequestId).toBe("");
    expect((await jerry.rpc.friend.getFriend({ userId: tom.userId })).friend?.createTime).toEqual(friend?.createTime);
    const added = (userId: string) => [{ friendChanged: { userId, change: "CHANGE_KIND_ADDED" } }];
    expect(await seenByTom()).toEqual(added(jerry.userId));
    expect(await seenByJerry()).toEqual(added(tom.userId));
    expect(await seenBySpike()).toEqual([]);
  });

  test("again, from either side, gives the same answer and tells nobody", async () => {
    const [tom, jerry] = [await newUser(server), await newUser(server)];
    const { friend } = await tom.rpc.friend.addFriend({ userId: jerry.userId });
    const [seenByTom, seenByJerry] = [await watch(tom), await watch(jerry)];
    expect((await tom.rpc.friend.addFriend({ userId: jerry.userId })).friend).toEqual(friend);
    expect((await jerry.rpc.friend.addFriend({ userId: tom.userId })).friend?.createTime).toEqual(friend?.createTime);
    expect([...(await seenByTom()), ...(await seenByJerry())]).toEqual([]);
  });

  test("two who add each other at the same time become friends once", async () => {
    const [tom, jerry] = [await newUser(server), await newUser(server)];
    const seen = await watch(tom);
    await Promise.all([
      tom.rpc.friend.addFriend({ userId: jerry.userId }),
      jerry.rpc.friend.addFriend({ userId: tom.userId }),
    ]);
    expect(await seen()).toHaveLength(1);
  });

  test("refuses oneself, the unknown and guests", async () => {
    const [tom, guest] = [await newUser(server), await newGuest(server)];
    expect(await refused(tom.rpc.friend.addFriend({ userId: tom.userId }))).toEqual({
      code: "InvalidArgument",
      reason: "INVALID_FIELD",
      field: "user_id",
    });
    expect(await refused(tom.rpc.friend.addFriend({ userId: "nobody" }))).toEqual({
      code: "NotFound",
      reason: "NOT_FOUND",
      field: "user_id",
    });
    expect(await refused(tom.rpc.friend.addFriend({ userId: guest.userId }))).toEqual({
      code: "PermissionDenied",
      reason: "ROLE_TOO_LOW",
      field: "user_id",
    });
    expect(await refused(guest.friend.addFriend({ userId: tom.userId }))).toMatchObject({ reason: "ROLE_TOO_LOW" });
    expect(await refused(guest.friend.removeFriend({ userId: tom.userId }))).toMatchObject({ reason: "ROLE_TOO_LOW" });
    expect(await refused(guest.friend.getFriend({ userId: tom.userId }))).toMatchObject({ reason: "ROLE_TOO_LOW" });
    expect(await refused(guest.friend.listFriends({}))).toMatchObject({ reason: "ROLE_TOO_LOW" });
  });
});

describe("RemoveFriend", () => {
  test("ends it both ways, tells each side once, and does nothing the second time", async () => {
    const [tom, jerry, spike] = [await newUser(server), await newUser(server), await newUser(server)];
    await tom.rpc.friend.addFriend({ userId: jerry.userId });
    await tom.rpc.friend.addFriend({ userId: spike.userId });
    const [seenByTom, seenByJerry, seenBySpike] = [await watch(tom), await watch(jerry), await watch(spike)];
    await jerry.rpc.friend.removeFriend({ userId: tom.userId });
    await tom.rpc.friend.removeFriend({ userId: jerry.userId });
    await tom.rpc.friend.removeFriend({ userId: "nobody" });
    await tom.rpc.friend.removeFriend({ userId: tom.userId });
    const removed = (userId: string) => [{ friendChanged: { userId, change: "CHANGE_KIND_REMOVED" } }];
    expect(await seenByTom()).toEqual(removed(jerry.userId));
    expect(await seenByJerry()).toEqual(removed(tom.userId));
    expect(await seenBySpike()).toEqual([]);
    expect((await tom.rpc.friend.listFriends({})).friends.map((f) => f.userId)).toEqual([spike.userId]);
    expect((await jerry.rpc.friend.listFriends({})).friends).toEqual([]);
  });
});

describe("GetFriend", () => {
  test("carries profile and newest message, whoever sent it", async () => {
    const [tom, jerry] = [await newUser(server), await newUser(server, "Jerry")];
    await say(tom, jerry, "before");
    await tom.rpc.friend.addFriend({ userId: jerry.userId });
    await say(jerry, tom, "newest");
    const { friend } = await tom.rpc.friend.getFriend({ userId: jerry.userId });
    expect(friend?.user?.displayName).toBe((await tom.rpc.user.getUser({ userId: jerry.userId })).user?.displayName);
    expect(friend?.lastMessage?.content?.content.value).toMatchObject({ text: "newest" });
    expect(friend?.lastMessage?.seq).toBe(2);
  });

  test("refuses strangers, the unknown and oneself alike", async () => {
    const [tom, jerry] = [await newUser(server), await newUser(server)];
    for (const userId of [jerry.userId, "nobody", tom.userId])
      expect(await refused(tom.rpc.friend.getFriend({ userId }))).toEqual({
        code: "PermissionDenied",
        reason: "NOT_FRIEND",
        field: "user_id",
      });
  });
});

describe("ListFriends", () => {
  test("lists by rising id, in pages, ids alone or whole", async () => {
    const tom = await newUser(server);
    const others = await Promise.all(Array.from({ length: 5 }, () => newUser(server)));
    for (const other of others) await tom.rpc.friend.addFriend({ userId: other.userId });
    const [first, second] = others as [TestUser, TestUser];
    await say(tom, first, "to the first");
    await say(second, tom, "from the second");
    const ids = others.map((other) => other.userId).sort();

    const { friends: basic } = await tom.rpc.friend.listFriends({ view: View.BASIC });
    expect(basic.map((f) => f.userId)).toEqual(ids);
    expect(basic.every((f) => f.user === undefined && f.createTime === undefined)).toBe(true);

    const pages: string[][] = [];
    let pageToken = "";
    do {
      const page = await tom.rpc.friend.listFriends({ pageSize: 2, pageToken });
      pages.push(page.friends.map((f) => f.userId));
      pageToken = page.nextPageToken;
    } while (pageToken !== "");
    expect(pages).toEqual([ids.slice(0, 2), ids.slice(2, 4), ids.slice(4)]);

    const { friends: full, nextPageToken } = await tom.rpc.friend.listFriends({ view: View.FULL, pageSize: 5 });
    expect(nextPageToken).toBe("");
    expect(full.map((f) => f.user?.userId)).toEqual(ids);
    const texts = new Map(full.map((f) => [f.userId, f.lastMessage?.content?.content.value]));
    expect(texts.get(first.userId)).toMatchObject({ text: "to the first" });
    expect(texts.get(second.userId)).toMatchObject({ text: "from the second" });
    expect(full.filter((f) => f.lastMessage === undefined)).toHaveLength(3);
  });

  test("refuses a page token of its own making", async () => {
    const tom = await newUser(server);
    expect(await refused(tom.rpc.friend.listFriends({ pageToken: "bm9wZQ" }))).toMatchObject({
      reason: "INVALID_FIELD",
      field: "page_token",
    });
  });
});

describe("the app's backend", () => {
  test("acts for a user, and not without one", async () => {
    const [tom, jerry] = [await newUser(server), await newUser(server)];
    const api = backend(server);
    await api.as(tom.userId).friend.addFriend({ userId: jerry.userId });
    expect((await jerry.rpc.friend.listFriends({})).friends.map((f) => f.userId)).toEqual([tom.userId]);
  });
});

describe("limits", () => {
  let small: TestServer;
  beforeAll(async () => {
    small = await startTestServer({ limits: { friendsPerUser: 2 } });
  });
  afterAll(() => small.close());

  test("the last friend that fits is added, the next is refused on either side", async () => {
    const [tom, a, b, c] = [await newUser(small), await newUser(small), await newUser(small), await newUser(small)];
    await tom.rpc.friend.addFriend({ userId: a.userId });
    await tom.rpc.friend.addFriend({ userId: b.userId });
    const full = { code: "ResourceExhausted", reason: "MEMBER_LIMIT", limit: "2" };
    expect(await refused(tom.rpc.friend.addFriend({ userId: c.userId }))).toEqual({ ...full, field: "" });
    expect(await refused(c.rpc.friend.addFriend({ userId: tom.userId }))).toEqual({ ...full, field: "user_id" });
    // Who is a friend already is not one more.
    await tom.rpc.friend.addFriend({ userId: a.userId });
    await tom.rpc.friend.removeFriend({ userId: a.userId });
    await c.rpc.friend.addFriend({ userId: tom.userId });
  });
});
