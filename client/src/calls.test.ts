import { create, type DescMethodUnary } from "@bufbuild/protobuf";
import { createRouterTransport } from "@connectrpc/connect";
import { AdminService, StatisticsResolution } from "@parley/proto/parley/v1/admin_service_pb.js";
import { AuthService } from "@parley/proto/parley/v1/auth_service_pb.js";
import { ConversationService } from "@parley/proto/parley/v1/conversation_service_pb.js";
import { FriendService } from "@parley/proto/parley/v1/friend_service_pb.js";
import { GroupRole, JoinPolicy } from "@parley/proto/parley/v1/group_pb.js";
import { GroupService } from "@parley/proto/parley/v1/group_service_pb.js";
import { HistoryService } from "@parley/proto/parley/v1/history_service_pb.js";
import { MessageService } from "@parley/proto/parley/v1/message_service_pb.js";
import { RoomService } from "@parley/proto/parley/v1/room_service_pb.js";
import { UserService } from "@parley/proto/parley/v1/user_service_pb.js";
import { describe, expect, it } from "vitest";
import { createAdmin } from "./admin.js";
import { createConversations } from "./conversations.js";
import { createFriends } from "./friends.js";
import { createGroups } from "./groups.js";
import { createHistory } from "./history.js";
import { createMessages } from "./messages.js";
import { createOutbox } from "./outbox.js";
import { everyone, group, room, system, user } from "./peer.js";
import { createRooms } from "./rooms.js";
import { createServiceRpc } from "./rpc.js";
import { buildServiceClient } from "./service-client.js";
import { createSessions } from "./sessions.js";
import { createFakeClock } from "./testing/fake-clock.js";
import { createUsers } from "./users.js";

/** A server that answers every call with the resource it promises, and notes the request without its defaults. */
function createEcho() {
  const requests: unknown[] = [];
  const callers: (string | null)[][] = [];
  const services = [
    AdminService,
    AuthService,
    ConversationService,
    FriendService,
    GroupService,
    HistoryService,
    MessageService,
    RoomService,
    UserService,
  ];
  const transport = createRouterTransport((router) => {
    for (const service of services) {
      for (const method of service.methods) {
        if (method.methodKind !== "unary") continue;
        router.rpc(method as DescMethodUnary, (request, { requestHeader }) => {
          callers.push([requestHeader.get("Authorization"), requestHeader.get("parley-acting-user")]);
          requests.push([method.name, JSON.parse(JSON.stringify(request, dropDefaults))]);
          const resources = method.output.fields.filter(({ fieldKind }) => fieldKind === "message");
          return create(method.output, Object.fromEntries(resources.map(({ localName }) => [localName, {}])));
        });
      }
    }
  });
  return { requests, callers, transport, rpc: createServiceRpc(transport), last: () => requests.at(-1) };
}

/** Leaves out what the wire would not carry. */
function dropDefaults(key: string, value: unknown): unknown {
  const isDefault = value === "" || value === 0 || value === false || (Array.isArray(value) && value.length === 0);
  return isDefault || key === "$typeName" ? undefined : typeof value === "bigint" ? Number(value) : value;
}

const peerOf = (name: string, value: unknown) => ({ peer: { case: name, value } });

describe("each call", () => {
  const { rpc, last } = createEcho();
  const admin = createAdmin(rpc);
  const friends = createFriends(rpc);
  const groups = createGroups(rpc);
  const rooms = createRooms(rpc);
  const users = createUsers(rpc);
  const history = createHistory(rpc);
  const conversations = createConversations(rpc);
  const sessions = createSessions(rpc);

  it.each<[string, () => Promise<unknown>, object]>([
    ["SetWordFilter", () => admin.setWordFilter({ enabled: true, words: ["x"] }), { enabled: true, words: ["x"] }],
    ["GetWordFilter", () => admin.getWordFilter(), {}],
    ["AddFilterWords", () => admin.addFilterWords(["x"]), { words: ["x"] }],
    ["RemoveFilterWords", () => admin.removeFilterWords(["x"]), { words: ["x"] }],
    ["ListFilterWords", () => admin.listFilterWords({ pageSize: 5 }), { pageSize: 5 }],
    ["GetStatistics", () => admin.getStatistics({ resolution: StatisticsResolution.DAILY }), { resolution: 3 }],
    ["GetStatistics", () => admin.getStatistics(), {}],
    ["ListAuditEntries", () => admin.listAuditEntries({ method: "x" }), { method: "x" }],
    ["AddFriend", () => friends.add("Tom", "Hi!"), { userId: "Tom", greeting: "Hi!" }],
    ["RemoveFriend", () => friends.remove("Tom"), { userId: "Tom" }],
    ["GetFriend", () => friends.get("Tom"), { userId: "Tom" }],
    ["ListFriends", () => friends.list({ detail: true, pageSize: 5 }), { view: 2, pageSize: 5 }],
    ["ListFriends", () => friends.fetch(), { view: 1, pageSize: 100 }],
    [
      "CreateGroup",
      () => groups.create({ name: "cats", memberUserIds: ["Tom"], joinPolicy: JoinPolicy.INVITE, requestId: "r" }),
      { name: "cats", memberUserIds: ["Tom"], joinPolicy: 2, requestId: "r" },
    ],
    ["GetGroup", () => groups.get("g"), { groupId: "g" }],
    ["ListGroups", () => groups.list(), { view: 1 }],
    ["ListGroups", () => groups.fetch({ detail: true }), { view: 2, pageSize: 100 }],
    ["UpdateGroup", () => groups.update("g", { name: "dogs" }), { groupId: "g", name: "dogs" }],
    ["DeleteGroup", () => groups.delete("g"), { groupId: "g" }],
    ["AddGroupMembers", () => groups.addMembers("g", ["Tom"]), { groupId: "g", userIds: ["Tom"] }],
    ["RemoveGroupMembers", () => groups.removeMembers("g", ["Tom"]), { groupId: "g", userIds: ["Tom"] }],
    ["ReplaceGroupMembers", () => groups.replaceMembers("g", ["Tom"]), { groupId: "g", userIds: ["Tom"] }],
    ["ListGroupMembers", () => groups.listMembers("g", { pageToken: "p" }), { groupId: "g", pageToken: "p" }],
    [
      "UpdateGroupMember",
      () => groups.updateMember("g", "Tom", { role: GroupRole.ADMIN, muteUntil: new Date(5000) }),
      { groupId: "g", userId: "Tom", role: 2, muteUntilTime: { seconds: 5 } },
    ],
    ["TransferGroup", () => groups.transfer("g", "Tom"), { groupId: "g", userId: "Tom" }],
    ["JoinGroup", () => groups.join("g"), { groupId: "g" }],
    ["LeaveGroup", () => groups.leave("g"), { groupId: "g" }],
    ["CreateRoom", () => rooms.create({ name: "lobby" }), { name: "lobby" }],
    ["GetRoom", () => rooms.get("r"), { roomId: "r" }],
    ["ListRooms", () => rooms.list({ detail: true }), { view: 2 }],
    ["ListRooms", () => rooms.fetch(), { view: 1, pageSize: 100 }],
    ["UpdateRoom", () => rooms.update("r", { name: "bar" }), { roomId: "r", name: "bar" }],
    ["DeleteRoom", () => rooms.delete("r"), { roomId: "r" }],
    ["AddRoomMembers", () => rooms.addMembers("r", ["Tom"]), { roomId: "r", userIds: ["Tom"] }],
    ["RemoveRoomMembers", () => rooms.removeMembers("r", ["Tom"]), { roomId: "r", userIds: ["Tom"] }],
    ["ReplaceRoomMembers", () => rooms.replaceMembers("r", []), { roomId: "r" }],
    ["ListRoomMembers", () => rooms.listMembers("r"), { roomId: "r" }],
    ["JoinRoom", () => rooms.join("r"), { roomId: "r" }],
    ["LeaveRoom", () => rooms.leave("r"), { roomId: "r" }],
    ["GetUser", () => users.get("Tom"), { userId: "Tom" }],
    ["BatchGetUsers", () => users.getMany(["Tom"]), { userIds: ["Tom"] }],
    ["UpdateUser", () => users.update({ displayName: "Thomas" }), { displayName: "Thomas" }],
    ["GetAttributes", () => users.attributes.get(), {}],
    [
      "UpdateAttributes",
      () => users.attributesOf("Tom").merge({ level: 1 }),
      { target: { target: { case: "userId", value: "Tom" } }, attributes: { level: 1 } },
    ],
    [
      "ReplaceAttributes",
      () => groups.attributes("g").replace({ level: 1 }),
      { target: { target: { case: "groupId", value: "g" } }, attributes: { level: 1 } },
    ],
    [
      "ClearAttributes",
      () => groups.memberAttributes("g", "Tom").clear(),
      { target: { target: { case: "groupMember", value: { groupId: "g", userId: "Tom" } } } },
    ],
    ["GetAttributes", () => rooms.attributes("r").get(), { target: { target: { case: "roomId", value: "r" } } }],
    [
      "ClearAttributes",
      () => rooms.memberAttributes("r", "Tom").clear(),
      { target: { target: { case: "roomMember", value: { roomId: "r", userId: "Tom" } } } },
    ],
    [
      "SearchUsers",
      () => users.search({ filters: [{ path: "city", equals: "Oslo" }], sort: ["-level"], pageSize: 5 }),
      {
        filters: [
          { path: "city", condition: { case: "equals", value: { kind: { case: "stringValue", value: "Oslo" } } } },
        ],
        sort: ["-level"],
        pageSize: 5,
      },
    ],
    [
      "SearchGroups",
      () => groups.search({ filters: [{ path: "name", contains: "cat" }] }),
      { filters: [{ path: "name", condition: { case: "contains", value: "cat" } }] },
    ],
    ["SearchRooms", () => rooms.search({ sort: ["name"] }), { sort: ["name"] }],
    ["GetPresenceSettings", () => users.getPresenceSettings(), {}],
    ["UpdatePresenceSettings", () => users.setPresence({ invisible: true }), { invisible: true }],
    ["BatchAddFriends", () => friends.addMany(["Tom"], "Hi!"), { userIds: ["Tom"], greeting: "Hi!" }],
    ["ListStrangers", () => friends.listStrangers({ userIds: ["Tom"] }), { userIds: ["Tom"], view: 1 }],
    ["GetPresence", () => users.getPresence("Tom"), { userId: "Tom" }],
    ["BatchGetPresence", () => users.getPresences(["Tom"]), { userIds: ["Tom"] }],
    ["ListMessages", () => history.list(user("Tom")), { peer: peerOf("userId", "Tom"), position: {} }],
    [
      "ListMessages",
      () => history.list(group("g"), { beforeTime: new Date(5000), pageSize: 10 }),
      {
        peer: peerOf("groupId", "g"),
        position: { case: "beforeTime", value: { seconds: 5 } },
        pageSize: 10,
      },
    ],
    [
      "ListMessages",
      () => history.list(system(), { beforeSeq: 7 }),
      { peer: peerOf("system", {}), position: { case: "beforeSeq", value: 7 } },
    ],
    [
      "ListMessages",
      () => history.list(user("Tom"), { afterSeq: 7 }),
      { peer: peerOf("userId", "Tom"), position: { case: "afterSeq", value: 7 } },
    ],
    [
      "ListMessages",
      () => history.list(user("Tom"), { aroundSeq: 7 }),
      { peer: peerOf("userId", "Tom"), position: { case: "aroundSeq", value: 7 } },
    ],
    ["GetMessage", () => history.get("m"), { messageId: "m" }],
    ["ClearHistory", () => history.clear(group("g")), { peer: peerOf("groupId", "g") }],
    ["HideHistory", () => history.hide(user("Tom"), 7), { peer: peerOf("userId", "Tom"), upToSeq: 7 }],
    ["ListConversations", () => conversations.list(), {}],
    ["GetConversation", () => conversations.get(user("Tom")), { peer: peerOf("userId", "Tom") }],
    ["MarkRead", () => conversations.markRead(user("Tom"), 3), { peer: peerOf("userId", "Tom"), readSeq: 3 }],
    [
      "DeleteConversation",
      () => conversations.delete(user("Tom"), { hideHistory: true }),
      { peer: peerOf("userId", "Tom"), hideHistory: true },
    ],
    ["ListSessions", () => sessions.list(), {}],
    ["RevokeSession", () => sessions.revoke("s"), { sessionId: "s" }],
  ])("%s carries its arguments", async (name, call, request) => {
    await call();
    expect(last()).toEqual([name, request]);
  });

  it("hands on an export item by item, with its span and checkpoints", async () => {
    const asked: unknown[] = [];
    const streaming = createRouterTransport(({ rpc: add }) => {
      add(HistoryService.method.exportHistory, async function* (request) {
        asked.push(JSON.parse(JSON.stringify(request, dropDefaults)));
        for (const seq of [1, 2]) yield { message: { seq }, checkpoint: `c${seq}` };
      });
      add(AdminService.method.exportUser, async function* ({ userId, checkpoint }) {
        yield { checkpoint: `${userId} after ${checkpoint}` };
      });
    });
    const service = createServiceRpc(streaming);
    const told = [];
    const span = { fromTime: new Date(5000), toTime: new Date(6000), checkpoint: "c0" };
    for await (const { message, checkpoint } of createHistory(service).export(user("Tom"), span))
      told.push([message.seq, checkpoint]);
    for await (const { checkpoint } of createAdmin(service).exportUser("Tom", { checkpoint: "c" }))
      told.push(checkpoint);
    expect(told).toEqual([[1, "c1"], [2, "c2"], "Tom after c"]);
    expect(asked).toEqual([
      { peer: peerOf("userId", "Tom"), fromTime: { seconds: 5 }, toTime: { seconds: 6 }, checkpoint: "c0" },
    ]);
  });

  it("reads all pages and hands them on", async () => {
    const pages = [
      { friends: [{ userId: "a" }], nextPageToken: "2" },
      { friends: [{ userId: "b" }], nextPageToken: "" },
    ];
    const paged = createRouterTransport(({ rpc: add }) => {
      add(FriendService.method.listFriends, ({ pageToken }) => pages[pageToken === "" ? 0 : 1] ?? {});
    });
    let kept: string[] = [];
    const all = createFriends(createServiceRpc(paged), (fetched) => {
      kept = fetched.map(({ userId }) => userId);
    });
    expect((await all.fetch()).map(({ userId }) => userId)).toEqual(["a", "b"]);
    expect(kept).toEqual(["a", "b"]);
  });
});

/** What these tests never ask for. */
const noFiles = undefined as never;

describe("messages.send", () => {
  it("carries every kind of content and every option", () => {
    const clock = createFakeClock();
    const sent: unknown[] = [];
    const outbox = createOutbox({
      call: async () => [],
      clock,
      waitMs: 1,
      expireAfterMs: 1,
      onError: () => {},
    });
    const messages = createMessages(
      createEcho().rpc,
      clock,
      () => ({
        pending: outbox.pending,
        send(request) {
          sent.push(JSON.parse(JSON.stringify(request, dropDefaults)));
          return outbox.send(request);
        },
      }),
      noFiles,
    );
    const media = { url: "https://cdn.test/1", sizeBytes: 5, durationMs: 1500 };
    for (const content of [
      { text: "Hi!" },
      { image: media },
      { audio: media },
      { video: media },
      { file: media },
      { location: { latitude: 1, longitude: 2, name: "here" } },
      { custom: { type: "card", data: { a: [1] }, fallbackText: "a card" } },
    ]) {
      messages.send(room("r"), content, { clientMessageId: "c" });
    }
    expect(sent.map((request) => Object(request).content.content.case)).toEqual([
      "text",
      "image",
      "audio",
      "video",
      "file",
      "location",
      "custom",
    ]);
    expect(Object(sent[1]).content.content.value).toEqual({
      url: media.url,
      sizeBytes: 5,
      duration: { seconds: 1, nanos: 500_000_000 },
    });
    messages.send(
      user("Jerry"),
      { text: "Hi!" },
      {
        remark: "r",
        attributes: { a: 1 },
        replyTo: "m",
        mentions: { userIds: ["Tom"], everyone: true },
        push: { disabled: true },
        transient: true,
      },
    );
    expect(sent.at(-1)).toMatchObject({
      receiver: peerOf("userId", "Jerry"),
      clientMessageId: expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/),
      remark: "r",
      attributes: { a: 1 },
      replyToMessageId: "m",
      mentions: { userIds: ["Tom"], everyone: true },
      push: { disabled: true },
      transient: true,
    });
  });

  it("makes ids that sort by time", () => {
    const clock = createFakeClock();
    const messages = createMessages(
      createEcho().rpc,
      clock,
      () => ({
        pending: () => [],
        send: (request) => ({ clientMessageId: request.clientMessageId }) as never,
      }),
      noFiles,
    );
    const first = messages.send(user("Jerry"), { text: "1" }).clientMessageId;
    void clock.advance(5);
    expect(messages.send(user("Jerry"), { text: "1" }).clientMessageId).not.toBe(first);
  });
});

describe("a service client", () => {
  it("carries its key, and the user it acts for", async () => {
    const { callers, requests, transport } = createEcho();
    const platform = {
      kind: 5,
      createStore: () => {
        throw new Error("not needed");
      },
      createTransport: (_url: string, [authenticate]: Parameters<typeof Object>[0]) =>
        withInterceptor(transport, authenticate),
    };
    const backend = buildServiceClient({ baseUrl: "http://parley.test", serviceKey: "key" }, platform as never);
    await backend.admin.sendSystemMessage(everyone(), { text: "Hello" }, { remark: "r" });
    await backend.as("Tom").friends.add("Jerry");
    await backend.admin.upsertUsers([{ userId: "Jerry" }]);
    await backend.admin.createSession("Jerry");
    await backend.admin.setTokenKeys([]);
    await backend.admin.createServiceKey("two");
    await backend.admin.listServiceKeys();
    await backend.admin.revokeServiceKey("one");
    await backend.admin.getSettings();
    await backend.admin.updateSettings({ allowGuestLogin: false });
    await backend.admin.getUserDetail("Tom");
    await backend.admin.disconnectUser("Tom", { revokeSessions: true });
    await backend.admin.deleteUser("Tom");
    await backend.admin.getUserDeletion("Tom");
    await backend.admin.importUsers([{ userId: "Tom" }]);
    await backend.admin.importMessages({ conversation: { case: "groupId", value: "g" } });
    expect(requests.slice(-6)).toMatchObject([
      ["GetUserDetail", { userId: "Tom" }],
      ["DisconnectUser", { userId: "Tom", revokeSessions: true }],
      ["DeleteUser", { userId: "Tom" }],
      ["GetUserDeletion", { userId: "Tom" }],
      ["ImportUsers", { users: [{ userId: "Tom" }] }],
      ["ImportMessages", { conversation: { case: "groupId", value: "g" } }],
    ]);
    expect(callers.slice(0, 3)).toEqual([
      ["Bearer key", null],
      ["Bearer key", "Tom"],
      ["Bearer key", null],
    ]);
    expect(requests[0]).toEqual([
      "SendSystemMessage",
      {
        receiver: peerOf("everyone", {}),
        content: { content: { case: "text", value: { text: "Hello" } } },
        remark: "r",
      },
    ]);
  });

  it("sends for many users, in order for each, several in one call, and can be closed", async () => {
    const batches: [string | null, number][] = [];
    let stuck = false;
    const transport = createRouterTransport(({ rpc: add }) => {
      add(MessageService.method.sendMessages, async ({ requests }, { requestHeader }) => {
        if (stuck) await new Promise(() => {});
        batches.push([requestHeader.get("parley-acting-user"), requests.length]);
        return { results: requests.map(({ clientMessageId }) => ({ message: { clientMessageId } })) };
      });
    });
    const clock = createFakeClock();
    const platform = { kind: 5, createTransport: () => transport };
    const backend = buildServiceClient({ baseUrl: "http://x", serviceKey: "key", clock }, platform as never);
    const sends = [
      backend.as("Tom").messages.send(user("Jerry"), { text: "1" }),
      backend.as("Tom").messages.send(group("g"), { text: "2" }),
      backend.as("Spike").messages.send(user("Jerry"), { text: "3" }),
    ];
    await Promise.all(sends.map(({ stored }) => stored));
    expect(batches).toEqual([
      ["Tom", 2],
      ["Spike", 1],
    ]);
    stuck = true;
    const pending = backend.as("Tom").messages.send(user("Jerry"), { text: "4" });
    expect(backend.as("Tom").messages.pending()).toEqual([pending]);
    backend.close();
    await expect(pending.stored).rejects.toMatchObject({ reason: "CLOSED" });
    expect(clock.waits()).toEqual([]);
  });
});

/** Puts an interceptor before a transport in memory. */
function withInterceptor(
  transport: ReturnType<typeof createRouterTransport>,
  intercept: (next: (request: { header: Headers }) => unknown) => (request: { header: Headers }) => unknown,
) {
  return {
    ...transport,
    unary: (method: never, signal: never, timeout: never, header: HeadersInit, ...rest: never[]) => {
      const request = { header: new Headers(header) };
      return intercept(({ header: named }) =>
        (transport.unary as (...args: unknown[]) => unknown)(method, signal, timeout, named, ...rest),
      )(request);
    },
  };
}
