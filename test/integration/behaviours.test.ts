import { type ChatMessage, createClient, createServiceClient, group, room, user } from "@parley/client";
import { UserKind } from "@parley/proto/parley/v1/user_pb.js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  anonymous,
  backend,
  eventually,
  newUser,
  refusal,
  startTestServer,
  subscribe,
  type TestServer,
} from "../support/index.js";
import {
  count,
  messageOf,
  must,
  newDevice,
  newGroup,
  newPair,
  newRoom,
  say,
  subject,
  text,
  textOf,
  toEveryone,
  toGroup,
  toRoom,
  toUser,
} from "../support/messaging.js";

// What docs/behaviours.md promises and no other file proves.
let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => server.close());

const optionsOf = ({ url: baseUrl, appId, clientKey }: TestServer) => ({ baseUrl, appId, clientKey });

describe("clients of one program", () => {
  test("have servers, apps and users of their own, and keep what they were made with", async () => {
    const other = await startTestServer();
    const options = optionsOf(server);
    const here = createClient(options);
    const elsewhere = createClient(optionsOf(other));
    Object.assign(options, optionsOf(other));
    const said: string[] = [];
    const tell = (name: string) => (message: ChatMessage) => void said.push(`${name} ${textOf(message)}`);
    here.on("ownMessage", tell("here"));
    elsewhere.on("ownMessage", tell("elsewhere"));
    const bareId = subject("Tom");
    const both = await Promise.all([here.login({ bareId }), elsewhere.login({ bareId })]);
    expect(both.map(({ created }) => created)).toEqual([true, true]);
    await here.messages.send(user(bareId), { text: "one" }).stored;
    await elsewhere.pause();
    await here.messages.send(user(bareId), { text: "two" }).stored;
    await eventually(() => expect(said).toEqual(["here one", "here two"]));
    expect([here.state.name, elsewhere.state.name]).toEqual(["live", "paused"]);
    expect((await elsewhere.history.list(user(bareId))).messages).toEqual([]);
    await Promise.all([here.close(), elsewhere.close()]);
    await other.close();
  });

  test("each get what their user sends on another device, once, and what was answered too", async () => {
    const bareId = subject("Tom");
    const clients = [createClient(optionsOf(server)), createClient(optionsOf(server))];
    const heard = clients.map(() => [] as ChatMessage[]);
    for (const [at, client] of clients.entries()) {
      client.on("ownMessage", (message) => void heard[at]?.push(message));
      await client.login({ bareId });
      await eventually(() => expect(client.state.name).toBe("live"));
    }
    const jerry = await newUser(server, "Jerry");
    const [phone, tablet] = clients;
    const first = await must(phone).messages.send(user(jerry.userId), { text: "from the phone" }).stored;
    const second = await must(tablet).messages.send(user(jerry.userId), { text: "from the tablet" }).stored;
    await eventually(() =>
      expect(heard).toEqual([
        [first, second],
        [first, second],
      ]),
    );
    for (const client of clients) await client.close();
  });
});

describe("a message", () => {
  test("says who wrote it and to whom, wherever it was written", async () => {
    const [tom, jerry] = await newPair(server);
    const [groupId, roomId] = [await newGroup(tom, [jerry]), await newRoom(tom, [jerry])];
    const stream = await subscribe(jerry);
    const places = [toUser(jerry.userId), toGroup(groupId), toRoom(roomId)];
    for (const place of places) await say(tom, place, "by Tom");
    for (const receiver of [...places, toEveryone])
      await backend(server).admin.sendSystemMessage({ receiver, content: text("by the system") });
    await eventually(() => expect(stream.events()).toHaveLength(7));
    const told = stream.events().map((event) => must(messageOf(event)));
    expect(told.map(({ sender, receiver }) => [sender?.sender, receiver?.peer])).toMatchObject([
      ...places.map(({ peer }) => [{ case: "userId", value: tom.userId }, peer]),
      ...places.map(({ peer }) => [{ case: "system" }, peer]),
      [{ case: "system" }, { case: "everyone" }],
    ]);
    await stream.close();
  });
});

describe("a guest", () => {
  test("is made by its first login, changed by a later one that brings attributes, and looked up by anybody", async () => {
    const enter = (attributes?: { [key: string]: string }) =>
      anonymous(server).auth.login({
        appId: server.appId,
        clientKey: server.clientKey,
        credential: { case: "guest", value: { userId: guest, ...(attributes && { attributes }) } },
      });
    const guest = subject("visitor");
    const [tom] = await newPair(server);
    const look = async () => must((await tom.rpc.user.getUser({ userId: guest })).user);
    expect(await refusal(tom.rpc.user.getUser({ userId: guest }))).toMatchObject({ reason: "NOT_FOUND" });
    expect((await enter({ from: "site" })).created).toBe(true);
    expect(await look()).toMatchObject({ kind: UserKind.GUEST, attributes: { from: "site" } });
    expect((await enter({ from: "app" })).created).toBe(false);
    expect(await look()).toMatchObject({ attributes: { from: "app" } });
    await enter();
    expect(await look()).toMatchObject({ attributes: { from: "app" } });
  });
});

describe("a room", () => {
  test("takes a thousand members, whom one call of the backend may bring, and not one more", async () => {
    const api = createServiceClient({ baseUrl: server.url, serviceKey: server.serviceKey });
    const ids = count(1001).map((at) => `many-${at}`);
    for (let at = 0; at < ids.length; at += 100)
      await api.admin.upsertUsers(ids.slice(at, at + 100).map((userId) => ({ userId })));
    const { roomId } = await api.rooms.create({ memberUserIds: ids.slice(0, 900) });
    await expect(api.rooms.addMembers(roomId, ids.slice(900))).rejects.toMatchObject({ reason: "MEMBER_LIMIT" });
    expect((await api.rooms.addMembers(roomId, ids.slice(900, 1000))).memberCount).toBe(1000);
    await expect(api.as("many-1001").rooms.join(roomId)).rejects.toMatchObject({ reason: "MEMBER_LIMIT" });
    api.close();
  });
});

describe("one who was away", () => {
  test("finds what was said to it and in its groups, in order, and nothing of rooms", async () => {
    const [tom, jerry] = await newPair(server);
    const [groupId, roomId] = [await newGroup(tom, [jerry]), await newRoom(tom, [jerry])];
    const phone = await newDevice(server, jerry);
    const client = createClient(optionsOf(server));
    const heard: string[] = [];
    client.on("friendMessage", (message) => void heard.push(textOf(message)));
    client.on("groupMessage", (message) => void heard.push(textOf(message)));
    client.on("roomMessage", (message) => void heard.push(textOf(message)));
    await client.login({ sessionToken: phone.token });
    await client.pause();
    await say(tom, toUser(jerry.userId), "to you");
    await say(tom, toRoom(roomId), "into the air");
    await say(tom, toGroup(groupId), "to all of us");
    await client.resume();
    await eventually(() => expect(client.state.name).toBe("live"));
    await say(tom, toRoom(roomId), "in the room");
    await eventually(() => expect(heard).toEqual(["to you", "to all of us", "in the room"]));
    await expect(client.history.list(room(roomId))).rejects.toMatchObject({ reason: "UNSUPPORTED" });
    expect((await client.history.list(group(groupId))).messages.map(textOf)).toEqual(["to all of us"]);
    await client.close();
  });
});
