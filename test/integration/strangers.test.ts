import { createServiceClient } from "@parley/client";
import { View } from "@parley/proto/parley/v1/user_pb.js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { backend, newUser, startTestServer, subscribe, type TestServer, type TestUser } from "../support/index.js";
import { count, must, newGuest, newPair, newUsers, say, textOf, toUser } from "../support/messaging.js";
import { refused, watch } from "./watching.js";

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => server.close());

const idsOf = ({ strangers }: { strangers: { userId: string }[] }) => strangers.map(({ userId }) => userId);
const strangersOf = async (user: Pick<TestUser, "rpc">, request: object = {}) =>
  idsOf(await user.rpc.friend.listStrangers({ pageSize: 100, ...request })).sort();

describe("ListStrangers", () => {
  test("names those one has talked with, from either side, until they are friends and when they are no more", async () => {
    const [tom, jerry, spike] = (await newUsers(server, ["tom", "jerry", "spike"])) as [TestUser, TestUser, TestUser];
    const guest = await newGuest(server);
    await tom.rpc.friend.addFriend({ userId: spike.userId });
    await say(tom, toUser(spike.userId), "to a friend");
    await say(tom, toUser(tom.userId), "to oneself");
    expect(await strangersOf(tom)).toEqual([]);
    await say(jerry, toUser(tom.userId), "who are you?");
    await say(guest, toUser(tom.userId), "help!");
    expect(await strangersOf(tom)).toEqual([jerry.userId, guest.userId].sort());
    expect(await strangersOf(jerry)).toEqual([tom.userId]);
    expect(await strangersOf(guest)).toEqual([tom.userId]);
    await tom.rpc.friend.addFriend({ userId: jerry.userId });
    expect(await strangersOf(tom)).toEqual([guest.userId]);
    await jerry.rpc.friend.removeFriend({ userId: tom.userId });
    await spike.rpc.friend.removeFriend({ userId: tom.userId });
    expect(await strangersOf(tom)).toEqual([jerry.userId, spike.userId, guest.userId].sort());
    // Being written to is enough; being there is not.
    expect(await strangersOf(spike)).toEqual([tom.userId]);
  });

  test("with detail brings profile, presence and the newest message", async () => {
    const [tom, jerry] = await newPair(server);
    await jerry.rpc.user.updateUser({ displayName: "Jerry" });
    await say(tom, toUser(jerry.userId), "first");
    await say(jerry, toUser(tom.userId), "last");
    const stream = await subscribe(jerry);
    const { strangers } = await tom.rpc.friend.listStrangers({ view: View.FULL });
    const [stranger] = strangers;
    expect(stranger).toMatchObject({ userId: jerry.userId, online: true, user: { displayName: "Jerry" } });
    expect(textOf(stranger?.lastMessage)).toBe("last");
    await jerry.rpc.message.pauseSession({});
    await stream.ended;
    const again = must((await tom.rpc.friend.listStrangers({ view: View.FULL })).strangers[0]);
    expect([again.online, again.lastActiveTime === undefined]).toEqual([false, false]);
    const basic = must((await tom.rpc.friend.listStrangers({ view: View.BASIC })).strangers[0]);
    expect([basic.userId, basic.user, basic.lastMessage]).toEqual([jerry.userId, undefined, undefined]);
  });

  test("gives pages of 20, at most 100, and those of a list of ids", async () => {
    const desk = await newUser(server, "desk");
    const { admin } = backend(server);
    const userIds = count(45).map((at) => `visitor-${desk.userId}-${at}`);
    await admin.batchUpsertUsers({ users: userIds.map((userId) => ({ userId })) });
    for (const userId of userIds) await say({ rpc: backend(server).as(userId) }, toUser(desk.userId), "hello");
    // Friends among them leave no gaps.
    await desk.rpc.friend.batchAddFriends({ userIds: userIds.slice(0, 5) });
    const pages: string[][] = [];
    for (let pageToken = ""; ; ) {
      const page = await desk.rpc.friend.listStrangers({ pageToken });
      pages.push(idsOf(page));
      pageToken = page.nextPageToken;
      if (pageToken === "") break;
    }
    expect(pages.map((page) => page.length)).toEqual([20, 20]);
    expect(pages.flat().sort()).toEqual(userIds.slice(5).sort());
    const asked = [must(userIds[0]), must(userIds[7]), must(userIds[7]), must(userIds[9]), "nobody", desk.userId];
    const first = await desk.rpc.friend.listStrangers({ userIds: asked, pageSize: 1 });
    const second = await desk.rpc.friend.listStrangers({ userIds: asked, pageSize: 1, pageToken: first.nextPageToken });
    expect([...idsOf(first), ...idsOf(second)].sort()).toEqual([userIds[7], userIds[9]].sort());
    expect(second.nextPageToken).toBe("");
    await desk.rpc.friend.listStrangers({ userIds: count(100).map((at) => `u${at}`), pageSize: 100 });
    for (const request of [{ userIds: count(101).map((at) => `u${at}`) }, { pageSize: 101 }, { pageToken: "x" }])
      expect((await refused(desk.rpc.friend.listStrangers(request))).reason).toMatch(/TOO_LARGE|INVALID_FIELD/);
  });

  test("their presence may be polled, and no event tells of it", async () => {
    const [tom, jerry] = await newPair(server);
    const spike = await newUser(server, "spike");
    expect(await refused(tom.rpc.user.getPresence({ userId: jerry.userId }))).toMatchObject({ reason: "NOT_FRIEND" });
    await say(tom, toUser(jerry.userId), "hi");
    const watcher = await subscribe(tom);
    const stream = await subscribe(jerry);
    expect((await tom.rpc.user.getPresence({ userId: jerry.userId })).presence?.online).toBe(true);
    const { presences } = await tom.rpc.user.batchGetPresence({ userIds: [jerry.userId, spike.userId, tom.userId] });
    expect(presences.map(({ userId }) => userId)).toEqual([jerry.userId, tom.userId].sort());
    await say(jerry, toUser(tom.userId), "mark");
    await watcher.event(({ event }) => event.case === "messageCreated" && textOf(event.value.message) === "mark");
    expect(watcher.events().map(({ event }) => event.case)).toEqual(["messageCreated"]);
    await stream.close();
    await watcher.close();
  });
});

describe("BatchAddFriends", () => {
  test("befriends many, each with its own outcome in the order asked, and tells each side once", async () => {
    const [tom, jerry, spike] = (await newUsers(server, ["tom", "jerry", "spike"])) as [TestUser, TestUser, TestUser];
    const guest = await newGuest(server);
    await tom.rpc.friend.addFriend({ userId: jerry.userId });
    const [seenByTom, seenBySpike] = [await watch(tom), await watch(spike)];
    const userIds = [spike.userId, "nobody", jerry.userId, guest.userId, tom.userId, spike.userId];
    const { results } = await tom.rpc.friend.batchAddFriends({ userIds, greeting: "hi" });
    expect(results.map(({ userId }) => userId)).toEqual(userIds);
    expect(results.map(({ friend, error }) => friend?.userId ?? `${error?.code} ${error?.detail?.field}`)).toEqual([
      spike.userId,
      "not_found user_ids[1]",
      jerry.userId,
      "permission_denied user_ids[3]",
      "invalid_argument user_ids[4]",
      spike.userId,
    ]);
    expect(await seenByTom()).toEqual([{ friendChanged: { userId: spike.userId, change: "CHANGE_KIND_ADDED" } }]);
    expect(await seenBySpike()).toEqual([{ friendChanged: { userId: tom.userId, change: "CHANGE_KIND_ADDED" } }]);
    // A repeat gives the same answer and tells nobody.
    const again = await tom.rpc.friend.batchAddFriends({ userIds });
    expect(again.results.map(({ friend }) => friend)).toEqual(results.map(({ friend }) => friend));
    expect([...(await seenByTom()), ...(await seenBySpike())]).toEqual([]);
  });

  test("takes 1 to 100, and stops at the most friends a user may have, one by one", async () => {
    const own = await startTestServer({ limits: { friendsPerUser: 100 } });
    const tom = await newUser(own, "tom");
    const { admin } = backend(own);
    const userIds = count(101).map((at) => `u${at}`);
    await admin.batchUpsertUsers({ users: userIds.slice(0, 100).map((userId) => ({ userId })) });
    await admin.batchUpsertUsers({ users: [{ userId: "u101" }] });
    expect(await refused(tom.rpc.friend.batchAddFriends({ userIds }))).toMatchObject({
      field: "user_ids",
      limit: "100",
    });
    expect(await refused(tom.rpc.friend.batchAddFriends({ userIds: [] }))).toMatchObject({ reason: "INVALID_FIELD" });
    const most = await tom.rpc.friend.batchAddFriends({ userIds: userIds.slice(1) });
    expect(most.results.filter(({ friend }) => friend !== undefined)).toHaveLength(100);
    const client = createServiceClient({ baseUrl: own.url, serviceKey: own.serviceKey });
    const [more, known] = await client.as(tom.userId).friends.addMany(["u1", "u2"]);
    expect(more).toMatchObject({ userId: "u1", error: { reason: "MEMBER_LIMIT", code: "resource_exhausted" } });
    expect(known).toMatchObject({ userId: "u2", friend: { userId: "u2" } });
    client.close();
    await own.close();
  });
});
