import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { ImportedMessage } from "@parley/proto/parley/v1/user_import_pb.js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { anonymous, backend, newUser, startTestServer, type TestServer, type TestUser } from "../support/index.js";
import {
  count,
  eventsAfter,
  type Init,
  must,
  newGroup,
  newGuest,
  newPair,
  say,
  send,
  subject,
  text,
  textOf,
  toGroup,
  toUser,
} from "../support/messaging.js";
import { readRows, rowsDiff } from "../support/rows.js";
import { refused, watch } from "./watching.js";

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => server.close());

const admin = () => backend(server).admin;
/** "hashed elsewhere", by another system at a cost of its own. */
const HASHED = "$argon2id$v=19$m=4096,t=3,p=1$Nj2ks79S9XlESwKJI2stXw$hzVIsqFmJbyLRs/wJ1tsJLjzoucUbWkpeAWuHhQ42G4";
const AN_HOUR_AGO = Date.now() - 3_600_000;
type Old = Partial<Pick<ImportedMessage, "clientMessageId">> & { ms?: number };

const old = (
  { userId }: Pick<TestUser, "userId">,
  words: string,
  { ms = AN_HOUR_AGO, clientMessageId = subject("k") }: Old = {},
) => ({
  senderUserId: userId,
  content: text(words),
  createTime: timestampFromMs(ms),
  clientMessageId,
});
const pairOf = (a: TestUser, b: TestUser) => ({
  case: "users" as const,
  value: { firstUserId: a.userId, secondUserId: b.userId },
});
const inGroup = (value: string) => ({ case: "groupId" as const, value });
const tooMany = (field: string) => ({ code: "ResourceExhausted", reason: "TOO_LARGE", field, limit: "500" });
const invalid = (field: string) => ({ code: "InvalidArgument", reason: "INVALID_FIELD", field });

/** What has changed in the store, but for the record that the call was made. */
const changes = (...[before, after]: Parameters<typeof rowsDiff>) =>
  rowsDiff(before, after).filter((line) => !line.startsWith("+ audit_entry "));

describe("ImportMessages", () => {
  test("puts messages with their own times into history, unread by nobody, told once", async () => {
    const [tom, jerry] = await newPair(server);
    const [seenByTom, seenByJerry] = [await watch(tom), await watch(jerry)];
    const messages = [
      old(tom, "one"),
      old(jerry, "two", { ms: AN_HOUR_AGO + 1 }),
      old(tom, "three", { ms: AN_HOUR_AGO + 1 }),
    ];
    const request = { conversation: pairOf(tom, jerry), messages };
    expect(await admin().importMessages(request)).toMatchObject({ imported: 3, deduplicated: 0, headSeq: 3 });
    const told = (userId: string) => [
      { conversationChanged: { conversationId: expect.any(String), peer: { userId }, change: "CHANGE_KIND_UPDATED" } },
    ];
    expect(await seenByTom()).toEqual(told(jerry.userId));
    expect(await seenByJerry()).toEqual(told(tom.userId));
    const stored = (await jerry.rpc.history.listMessages({ peer: toUser(tom.userId) })).messages;
    expect(
      stored.map((message) => [message.seq, textOf(message), message.createTime, message.sender?.sender.value]),
    ).toEqual(
      messages.map((message, at) => [at + 1, ["one", "two", "three"][at], message.createTime, message.senderUserId]),
    );
    const { conversations, unreadTotal } = await jerry.rpc.conversation.listConversations({});
    expect([conversations.map(({ headSeq }) => headSeq), unreadTotal]).toEqual([[3], 0]);
    // What is said next is as everything that is said.
    expect((await say(tom, toUser(jerry.userId), "now")).seq).toBe(4);
    expect((await jerry.rpc.conversation.listConversations({})).unreadTotal).toBe(1);
  });

  test("twice is once, in part and as a whole", async () => {
    const [tom, jerry] = await newPair(server);
    const messages = count(6).map((at) => old(at % 2 === 0 ? tom : jerry, `m${at}`));
    const conversation = pairOf(tom, jerry);
    await admin().importMessages({ conversation, messages: messages.slice(0, 4) });
    const rest = await admin().importMessages({ conversation, messages });
    expect(rest).toMatchObject({ imported: 2, deduplicated: 4, headSeq: 6 });
    const before = await readRows(server.dataDir);
    expect(await admin().importMessages({ conversation, messages })).toMatchObject({
      imported: 0,
      deduplicated: 6,
      headSeq: 6,
    });
    expect(changes(before, await readRows(server.dataDir))).toEqual([]);
    const other = { ...must(messages[2]), content: text("other words") };
    expect(await refused(admin().importMessages({ conversation, messages: [must(messages[0]), other] }))).toEqual({
      code: "AlreadyExists",
      reason: "IDEMPOTENCY_CONFLICT",
      field: "messages[1].client_message_id",
    });
    // The sender's own client knows the key too.
    const key = must(messages[1]).clientMessageId;
    expect((await send(tom, toUser(jerry.userId), "m2", { clientMessageId: key })).deduplicated).toBe(true);
  });

  test("never lets times fall along seq: what would is refused by its index, or put behind when asked for", async () => {
    const [tom, jerry] = await newPair(server);
    const conversation = pairOf(tom, jerry);
    const at = (ms: number) => old(tom, "x", { ms });
    const run = (messages: Init<never>[] | ReturnType<typeof old>[], allowAfter = false) =>
      admin().importMessages({ conversation, messages: messages as ReturnType<typeof old>[], allowAfter });
    expect(await refused(run([at(AN_HOUR_AGO), at(AN_HOUR_AGO - 1)]))).toEqual(invalid("messages[1].create_time"));
    expect(await refused(run([at(Date.now() + 60_000)]))).toEqual(invalid("messages[0].create_time"));
    const native = await say(jerry, toUser(tom.userId), "native");
    expect(await refused(run([at(AN_HOUR_AGO)]))).toEqual(invalid("messages[0].create_time"));
    expect(await run([at(AN_HOUR_AGO)], true)).toMatchObject({ imported: 1, headSeq: 2 });
    const { messages } = await tom.rpc.history.listMessages({ peer: toUser(jerry.userId) });
    expect(messages.map(({ createTime }) => createTime)).toEqual([native.createTime, native.createTime]);
  });

  test("is atomic, for those who exist, and for the pair alone", async () => {
    const [tom, jerry] = await newPair(server);
    const spike = await newUser(server);
    const group = await newGroup(tom, [jerry]);
    const nobody = { userId: "nobody" };
    const twice = old(tom, "one");
    const cases = [
      [pairOf(tom, { userId: "nobody" } as TestUser), [old(tom, "x")], "users.second_user_id", "NOT_FOUND"],
      [pairOf(tom, jerry), [old(tom, "x"), old(spike, "y")], "messages[1].sender_user_id", "INVALID_FIELD"],
      [inGroup(group), [old(tom, "x"), old(nobody, "y")], "messages[1].sender_user_id", "NOT_FOUND"],
      [inGroup("none"), [old(tom, "x")], "group_id", "NOT_FOUND"],
      [pairOf(tom, jerry), [twice, twice], "messages[1].client_message_id", "INVALID_FIELD"],
      [
        pairOf(tom, jerry),
        [{ ...old(tom, "x"), attributes: { a: "x".repeat(17_000) } }],
        "messages[0].attributes",
        "TOO_LARGE",
      ],
    ] as const;
    for (const [conversation, messages, field, reason] of cases)
      expect(await refused(admin().importMessages({ conversation, messages: [...messages] }))).toMatchObject({
        field,
        reason,
      });
    expect((await tom.rpc.history.listMessages({ peer: toUser(jerry.userId) })).messages).toEqual([]);
    expect((await tom.rpc.history.listMessages({ peer: toGroup(group) })).messages).toEqual([]);
  });

  test("into a group takes the words of former members too, up to 500 at once", async () => {
    const [tom, jerry] = await newPair(server);
    const group = await newGroup(tom, []);
    const seen = await watch(tom);
    const many = (length: number) => count(length).map((at) => old(at % 2 === 0 ? tom : jerry, `m${at}`));
    const answer = await admin().importMessages({ conversation: inGroup(group), messages: many(500) });
    expect(answer).toMatchObject({ imported: 500, headSeq: 500 });
    expect(await seen()).toHaveLength(1);
    expect(await refused(admin().importMessages({ conversation: inGroup(group), messages: many(501) }))).toEqual(
      tooMany("messages"),
    );
    const { messages } = await tom.rpc.history.listMessages({ peer: toGroup(group) });
    expect(messages.at(-1)?.seq).toBe(500);
    expect((await tom.rpc.conversation.listConversations({})).unreadTotal).toBe(0);
    // The log holds their places and tells nobody of them.
    const { cursor } = await jerry.rpc.message.listEvents({});
    expect((await eventsAfter(jerry.rpc, cursor)).events).toEqual([]);
  });
});

describe("ImportUsers", () => {
  const named = (name: string) => subject(`${name}-`);
  const enter = (username: string, password: string) =>
    anonymous(server).auth.login({
      appId: server.appId,
      clientKey: server.clientKey,
      credential: { case: "password", value: { username, password } },
    });

  test("brings in profiles, passwords in plain text and hashed, phones and friends; twice is once", async () => {
    const [a, b, c] = [named("a"), named("b"), named("c")];
    const known = await newUser(server);
    const password = (username: string, secret: { case: "password" | "argon2idHash"; value: string }) => ({
      credential: { case: "password" as const, value: { username, secret } },
    });
    const users = [
      {
        userId: a,
        displayName: "A",
        avatarUrl: "https://x.example/a.png",
        attributes: { level: 3 },
        credentials: [
          password(a, { case: "password", value: "plain" }),
          { credential: { case: "phoneNumber" as const, value: `+49${Math.floor(1e9 + Math.random() * 1e9)}` } },
        ],
        // One that stands further down, and one that is there.
        friendUserIds: [c, known.userId],
      },
      { userId: b, credentials: [password(b, { case: "argon2idHash", value: HASHED })] },
      { userId: c },
    ];
    const seen = await watch(known);
    expect((await admin().importUsers({ users })).results).toMatchObject([
      { userId: a, created: true, friendsAdded: 2 },
      { userId: b, created: true, friendsAdded: 0 },
      { userId: c, created: true, friendsAdded: 0 },
    ]);
    expect(await seen()).toEqual([{ friendChanged: { userId: a, change: "CHANGE_KIND_ADDED" } }]);
    expect((await enter(a, "plain")).userId).toBe(a);
    expect((await enter(b, "hashed elsewhere")).userId).toBe(b);
    const detail = must((await admin().getUserDetail({ userId: a })).detail);
    expect(detail).toMatchObject({
      user: { displayName: "A", avatarUrl: "https://x.example/a.png", attributes: { level: 3 } },
      friendUserIds: [c, known.userId].sort(),
      credentialKinds: ["password", "sms"],
    });
    const before = await readRows(server.dataDir);
    const again = (await admin().importUsers({ users })).results;
    expect(again.map(({ created, friendsAdded, error }) => [created, friendsAdded, error])).toEqual(
      again.map(() => [false, 0, undefined]),
    );
    expect(changes(before, await readRows(server.dataDir))).toEqual([]);
  });

  test("gives each user an outcome of its own, and takes all of a user or nothing", async () => {
    const [a, b, c, d, e] = ["a", "b", "c", "d", "e"].map(named) as [string, string, string, string, string];
    const guest = await newGuest(server);
    const credential = (username: string, value: string) => ({
      credential: {
        case: "password" as const,
        value: { username, secret: { case: "argon2idHash" as const, value } },
      },
    });
    const phc = (cost: string) => `$argon2id$v=19$${cost}$c2FsdHNhbHQ$${"A".repeat(43)}`;
    const { results } = await admin().importUsers({
      users: [
        { userId: a, credentials: [credential(a, phc("m=65536,t=10,p=8"))] },
        { userId: b, displayName: "B", credentials: [credential(a, phc("m=4096,t=1,p=1"))] },
        { userId: c, credentials: [credential(c, phc("m=65537,t=1,p=1"))] },
        { userId: d, friendUserIds: [a, guest.userId] },
        { userId: e, friendUserIds: ["nobody"] },
        { userId: guest.userId },
      ],
    });
    expect(results.map(({ error }) => error && [error.code, error.detail?.field])).toEqual([
      undefined,
      ["already_exists", "users[1].credentials[0]"],
      ["invalid_argument", "users[2].credentials[0].password.argon2id_hash"],
      ["permission_denied", "users[3].friend_user_ids[1]"],
      ["not_found", "users[4].friend_user_ids[0]"],
      ["invalid_argument", "users[5].user_id"],
    ]);
    const there = (await backend(server).user.batchGetUsers({ userIds: [a, b, c, d, e] })).users;
    // Of the one whose friend was waited for, all but the friend is taken.
    expect(there.map(({ userId }) => userId)).toEqual([a, e].sort());
  });

  test("takes 500 at once and no more, each once", async () => {
    const prefix = named("many");
    const many = (length: number) => count(length).map((at) => ({ userId: `${prefix}-${at}` }));
    expect((await admin().importUsers({ users: many(500) })).results.filter(({ created }) => created)).toHaveLength(
      500,
    );
    expect(await refused(admin().importUsers({ users: many(501) }))).toEqual(tooMany("users"));
    const [one] = many(1) as [{ userId: string }];
    expect(await refused(admin().importUsers({ users: [one, one] }))).toEqual(invalid("users[1].user_id"));
  });
});
