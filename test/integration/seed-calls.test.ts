import { randomUUID } from "node:crypto";
import {
  type Client,
  createClient,
  createServiceClient,
  everyone,
  group,
  room,
  type ServiceClient,
  system,
  user,
} from "@parley/client";
import type { ChatMessage } from "@parley/proto/parley/v1/chat_message_pb.js";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventually, startTestServer, type TestServer } from "../support/index.js";
import { fakeWechat } from "../support/oauth-fakes.js";
import { newPhoneNumber, printedCode } from "../support/sms.js";

/** Each call of the source document (MaxLeap MaxIM's guide), through the SDK. */
describe("the calls of the source document", () => {
  let server: TestServer;
  let backend: ServiceClient;
  const clients: Client[] = [];

  beforeAll(async () => {
    server = await startTestServer({
      times: { presenceGraceMs: 50, presenceTellMs: 0 },
      settings: { privateFetch: ["127.0.0.1"] },
    });
    backend = createServiceClient({ baseUrl: server.url, serviceKey: server.serviceKey });
  });
  afterAll(async () => {
    for (const client of clients) await client.close();
    await server.close();
  });

  function makeClient(): Client {
    const { url: baseUrl, appId, clientKey } = server;
    const client = createClient({
      baseUrl,
      appId,
      clientKey,
      autoReconnect: true,
      reconnectAttempts: 3,
      reconnectWait: 50,
      installation: { installationId: randomUUID() },
    });
    clients.push(client);
    return client;
  }

  /** A logged-in user with all that it was told. */
  async function logIn(name: string) {
    const client = makeClient();
    const userId = `${name}-${randomUUID().slice(0, 8)}`;
    const told = {
      friend: texts(),
      group: texts(),
      room: texts(),
      system: [] as ChatMessage[],
      online: [] as string[],
      offline: [] as string[],
    };
    client.on("friendMessage", told.friend.add);
    client.on("groupMessage", told.group.add);
    client.on("roomMessage", told.room.add);
    client.on("systemMessage", (message) => void told.system.push(message));
    client.on("friendOnline", (friend) => void told.online.push(friend.userId));
    client.on("friendOffline", (friend) => void told.offline.push(friend.userId));
    await client.login({ bareId: userId });
    await live(client);
    return { client, userId, told };
  }

  it("loginWithUserId: logs in by an id that did not exist", async () => {
    const client = makeClient();
    const me = await client.login({ bareId: `Tom-${randomUUID().slice(0, 8)}` });
    expect(me).toMatchObject({ created: true, userId: expect.stringMatching(/^Tom-/) });
  });

  it("loginWithUsername: the user id is the account's own, not the username", async () => {
    const client = makeClient();
    const username = `tom-${randomUUID()}`;
    const account = await client.createAccount({ username, password: "pwd" });
    await expect(client.login({ username, password: "wrong" })).rejects.toMatchObject({ reason: "WRONG_CREDENTIAL" });
    const me = await client.login({ username, password: "pwd" });
    expect(me.userId).toBe(account.userId);
    expect(me.userId).not.toBe(username);
  });

  it("requestLoginSmsCodeWithPhoneNumber and loginWithPhoneNumber: no registration, and a fresh code for every login", async () => {
    const client = makeClient();
    const phoneNumber = newPhoneNumber();
    await client.requestSmsCode(phoneNumber);
    const code = printedCode(server, phoneNumber);
    const me = await client.login({ phoneNumber, code });
    expect(me).toMatchObject({ created: true });
    await client.logout();
    await expect(client.login({ phoneNumber, code })).rejects.toMatchObject({ reason: "WRONG_CREDENTIAL" });
  });

  it("loginWithThirdPartyOAuth: the third party's word makes the user and finds it again", async () => {
    const wechat = await fakeWechat();
    const kind = { case: "wechat" as const, value: { appId: "wx1" } };
    await backend.admin.setOauthProviders([{ name: "weixin", kind, baseUrl: wechat.url }]);
    wechat.grants.set("token", { id: "openid", client: "wx1" });
    const client = makeClient();
    const oauth = { provider: "weixin", externalUserId: "openid", accessToken: "token" };
    const me = await client.login({ oauth });
    expect(me.created).toBe(true);
    await client.logout();
    expect(await client.login({ oauth })).toMatchObject({ userId: me.userId, created: false });
    await client.logout();
    const stolen = { ...oauth, externalUserId: "somebody" };
    await expect(client.login({ oauth: stolen })).rejects.toMatchObject({ reason: "WRONG_CREDENTIAL" });
    wechat.close();
  });

  it("pause and resume: offline and online again, and what came meanwhile arrives once", async () => {
    const [tom, jerry] = [await logIn("Tom"), await logIn("Jerry")];
    await tom.client.friends.add(jerry.userId);
    await jerry.client.pause();
    expect(jerry.client.state.name).toBe("paused");
    await eventually(() => expect(tom.told.offline).toContain(jerry.userId));
    await tom.client.messages.send(user(jerry.userId), { text: "while away" }).stored;
    expect(jerry.told.friend.list).toEqual([]);
    await Promise.all([jerry.client.resume(), jerry.client.resume()]);
    await eventually(() => expect(jerry.told.friend.list).toEqual(["while away"]));
    await eventually(() => expect(tom.told.online.filter((id) => id === jerry.userId).length).toBeGreaterThan(0));
    await jerry.client.resume();
    expect(jerry.told.friend.list).toEqual(["while away"]);
  });

  it("logout: nothing arrives any more, and another device is untouched", async () => {
    const [tom, jerry] = [await logIn("Tom"), await logIn("Jerry")];
    const tablet = makeClient();
    const onTablet = texts();
    tablet.on("friendMessage", onTablet.add);
    await tablet.login({ bareId: jerry.userId });
    await live(tablet);
    await jerry.client.logout();
    await tom.client.messages.send(user(jerry.userId), { text: "after" }).stored;
    await eventually(() => expect(onTablet.list).toEqual(["after"]));
    expect(jerry.told.friend.list).toEqual([]);
    expect(jerry.client.currentUser).toBeUndefined();
  });

  it("addFriendWithUser, fetchFriendsWithDetail, getFriendInfo, deleteFriend: mutual and at once", async () => {
    const [tom, jerry] = [await logIn("Tom"), await logIn("Jerry")];
    await tom.client.friends.add(jerry.userId);
    await tom.client.friends.add(jerry.userId);
    const [ids] = await jerry.client.friends.fetch({ detail: false });
    expect(ids?.userId).toBe(tom.userId);
    expect(ids?.user).toBeUndefined();
    const [full] = await jerry.client.friends.fetch({ detail: true });
    expect(full).toMatchObject({ userId: tom.userId, online: true, user: { userId: tom.userId } });
    expect(jerry.client.currentUser?.friends).toHaveLength(1);
    expect(await tom.client.friends.get(jerry.userId)).toMatchObject({ userId: jerry.userId, online: true });
    await tom.client.friends.remove(jerry.userId);
    await tom.client.friends.remove(jerry.userId);
    expect(await jerry.client.friends.fetch()).toEqual([]);
    await expect(tom.client.friends.get(jerry.userId)).rejects.toMatchObject({ reason: "NOT_FRIEND" });
  });

  it("friendDidOnline and friendDidOffline", async () => {
    const [tom, jerry] = [await logIn("Tom"), await logIn("Jerry")];
    await tom.client.friends.add(jerry.userId);
    await jerry.client.pause();
    await eventually(() => expect(tom.told.offline).toEqual([jerry.userId]));
    await jerry.client.resume();
    await eventually(() => expect(tom.told.online.at(-1)).toBe(jerry.userId));
  });

  it("sendMessage:toFriend, didReceiveMessage:fromFriend, getLatestChatsWithFriend", async () => {
    const [tom, jerry] = [await logIn("Tom"), await logIn("Jerry")];
    const send = tom.client.messages.send(user(jerry.userId), { text: "Hi!" });
    expect(send.status).toBe("sending");
    const stored = await send.stored;
    expect(send.status).toBe("sent");
    expect(stored).toMatchObject({ seq: 1, clientMessageId: send.clientMessageId });
    await eventually(() => expect(jerry.told.friend.list).toEqual(["Hi!"]));
    for (let i = 0; i < 12; i++) await jerry.client.messages.send(user(tom.userId), { text: `${i}` }).stored;
    const page = await tom.client.history.list(user(jerry.userId), {
      beforeTime: new Date(Date.now() + 1000),
      pageSize: 10,
    });
    expect(page.messages.map((message) => message.seq)).toEqual([4, 5, 6, 7, 8, 9, 10, 11, 12, 13]);
  });

  it("groups: create, fetch, add, remove, send, receive, history, dissolve", async () => {
    const [tom, jerry, bob] = [await logIn("Tom"), await logIn("Jerry"), await logIn("Bob")];
    const made = await tom.client.groups.create({ name: "Tom's group", memberUserIds: [tom.userId, jerry.userId] });
    expect(made).toMatchObject({ ownerUserId: tom.userId, memberCount: 2 });
    await tom.client.groups.addMembers(made.groupId, [bob.userId]);
    expect((await bob.client.groups.fetch({ detail: true }))[0]).toMatchObject({
      groupId: made.groupId,
      memberCount: 3,
    });
    expect(await jerry.client.groups.get(made.groupId)).toMatchObject({ name: "Tom's group" });
    await tom.client.messages.send(group(made.groupId), { text: "all" }).stored;
    await eventually(() => expect([jerry.told.group.list, bob.told.group.list]).toEqual([["all"], ["all"]]));
    const page = await jerry.client.history.list(group(made.groupId), { pageSize: 10 });
    expect(page.messages).toHaveLength(1);
    await bob.client.groups.leave(made.groupId);
    await tom.client.messages.send(group(made.groupId), { text: "without Bob" }).stored;
    await eventually(() => expect(jerry.told.group.list).toEqual(["all", "without Bob"]));
    expect(bob.told.group.list).toEqual(["all"]);
    await expect(tom.client.groups.removeMembers(made.groupId, [tom.userId])).rejects.toMatchObject({
      reason: "OWNER_CANNOT_BE_REMOVED",
    });
    await tom.client.groups.delete(made.groupId);
    await expect(tom.client.history.list(group(made.groupId))).rejects.toMatchObject({ reason: "NOT_FOUND" });
  });

  it("rooms: create, fetch, add, remove, send, receive, nothing kept, delete", async () => {
    const [tom, jerry, bob] = [await logIn("Tom"), await logIn("Jerry"), await logIn("Bob")];
    const made = await tom.client.rooms.create({ name: "Tom's room", memberUserIds: [tom.userId, jerry.userId] });
    await tom.client.rooms.addMembers(made.roomId, [bob.userId]);
    expect(await bob.client.rooms.get(made.roomId)).toMatchObject({ memberCount: 3 });
    await tom.client.messages.send(room(made.roomId), { text: "psst" }).stored;
    await eventually(() => expect([jerry.told.room.list, bob.told.room.list]).toEqual([["psst"], ["psst"]]));
    await expect(jerry.client.history.list(room(made.roomId))).rejects.toMatchObject({ reason: "UNSUPPORTED" });
    await tom.client.rooms.removeMembers(made.roomId, [bob.userId]);
    await tom.client.messages.send(room(made.roomId), { text: "again" }).stored;
    await eventually(() => expect(jerry.told.room.list).toEqual(["psst", "again"]));
    expect(bob.told.room.list).toEqual(["psst"]);
    await tom.client.rooms.delete(made.roomId);
    expect(await jerry.client.rooms.fetch()).toEqual([]);
  });

  it("didReceiveSystemMessage: to everyone, a user, a group and a room, told apart by the receiver", async () => {
    const [tom, jerry] = [await logIn("Tom"), await logIn("Jerry")];
    const made = await tom.client.groups.create({ name: "g", memberUserIds: [jerry.userId] });
    const place = await tom.client.rooms.create({ name: "r", memberUserIds: [jerry.userId] });
    await backend.admin.sendSystemMessage(everyone(), { text: "everyone" });
    await backend.admin.sendSystemMessage(user(jerry.userId), { text: "you" });
    await backend.admin.sendSystemMessage(group(made.groupId), { text: "group" });
    await backend.admin.sendSystemMessage(room(place.roomId), { text: "room" });
    await eventually(() =>
      expect(jerry.told.system.map((message) => message.receiver?.peer.case).sort()).toEqual([
        "everyone",
        "groupId",
        "roomId",
        "userId",
      ]),
    );
    expect(tom.told.system.map((message) => message.receiver?.peer.case)).not.toContain("userId");
    expect((await jerry.client.history.list(system())).messages).toHaveLength(1);
  });
});

function texts() {
  const list: string[] = [];
  return {
    list,
    add: (message: ChatMessage) => {
      const content = message.content?.content;
      list.push(content?.case === "text" ? content.value.text : "?");
    },
  };
}

async function live(client: Client): Promise<void> {
  await eventually(() => expect(client.state.name).toBe("live"));
}
