import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { UserExportItem } from "@parley/proto/parley/v1/user_export_pb.js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  anonymous,
  backend,
  eventually,
  login,
  newUser,
  refusal,
  startTestServer,
  subscribe,
  type TestServer,
  type TestUser,
} from "../support/index.js";
import {
  count,
  millis,
  must,
  newGroup,
  newPair,
  newRoom,
  newUsers,
  otherApp,
  say,
  subject,
  text,
  textOf,
  toGroup,
  toRoom,
  toUser,
} from "../support/messaging.js";

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer({ limits: { serviceSendsPerSecond: 1e6 } });
});
afterAll(() => server.close());

const admin = () => backend(server).admin;

interface Told {
  item: UserExportItem["item"];
  checkpoint: string;
}

/** An export, or the part of it behind a checkpoint. */
async function exported(userId: string, checkpoint = "", most = Number.POSITIVE_INFINITY): Promise<Told[]> {
  const told: Told[] = [];
  for await (const answer of admin().exportUser({ userId, checkpoint })) {
    told.push({ item: must(answer.item).item, checkpoint: answer.checkpoint });
    if (told.length >= most) break;
  }
  return told;
}

const brief = (told: readonly Told[]) =>
  told.map(({ item }) => (item.case === "message" ? textOf(item.value) : String(item.case)));

/** A user with something of everything. */
async function furnished() {
  const made = await anonymous(server).auth.createAccount({
    appId: server.appId,
    clientKey: server.clientKey,
    username: subject("name"),
    password: "p",
  });
  const [jerry, spike] = (await newUsers(server, ["jerry", "spike"])) as [TestUser, TestUser];
  const { sessionToken } = await admin().createSession({ userId: must(made.user).userId });
  const tom = { userId: must(made.user).userId, token: sessionToken, rpc: backend(server).as(must(made.user).userId) };
  await tom.rpc.friend.addFriend({ userId: jerry.userId });
  const group = await newGroup(jerry, [tom as unknown as TestUser, spike]);
  const left = await newGroup(jerry, [tom as unknown as TestUser]);
  await newRoom(jerry, [tom as unknown as TestUser]);
  await say(tom, toUser(jerry.userId), "to jerry");
  await say(jerry, toUser(tom.userId), "to tom");
  await say(spike, toGroup(group), "to all");
  await say(jerry, toGroup(left), "not tom's");
  await say(tom, toGroup(left), "tom's own");
  await tom.rpc.group.leaveGroup({ groupId: left });
  return { tom, jerry, spike, group };
}

describe("ExportUser", () => {
  test("tells all of a user in order, without secrets, its own words in groups it has left too", async () => {
    const { tom } = await furnished();
    const told = await exported(tom.userId);
    expect(brief(told)).toEqual([
      "user",
      "credential",
      "session",
      "friend",
      "membership",
      "membership",
      "conversation",
      "to jerry",
      "to tom",
      "conversation",
      "to all",
      "tom's own",
    ]);
    const json = JSON.stringify(told, (_, value: unknown) => (typeof value === "bigint" ? Number(value) : value));
    expect(json).not.toContain("argon2id");
    expect(json).not.toContain(tom.token);
  });

  test("goes on from every checkpoint, and stays as of its beginning", async () => {
    const { tom, jerry, group } = await furnished();
    const whole = await exported(tom.userId);
    await say(jerry, toUser(tom.userId), "later");
    await say(jerry, toGroup(group), "later");
    for (const [at, { checkpoint }] of whole.entries())
      expect(brief(await exported(tom.userId, checkpoint)), `after ${at}`).toEqual(brief(whole.slice(at + 1)));
    expect(brief(await exported(tom.userId))).toContain("later");
    for (const checkpoint of ["x", Buffer.from('[1,"none","",0]').toString("base64url")])
      expect(await refusal(exported(tom.userId, checkpoint))).toMatchObject({
        reason: "INVALID_FIELD",
        field: "checkpoint",
      });
  });

  test("is for the backend, of its own app", async () => {
    const tom = await newUser(server);
    const other = await otherApp(server);
    const read = async (stream: AsyncIterable<unknown>) => {
      for await (const _ of stream);
    };
    for (const [stream, reason] of [
      [backend(other).admin.exportUser({ userId: tom.userId }), "NOT_FOUND"],
      [admin().exportUser({ userId: "nobody" }), "NOT_FOUND"],
      [tom.rpc.admin.exportUser({ userId: tom.userId }), "UNAUTHENTICATED"],
    ] as const)
      expect(await refusal(read(stream))).toMatchObject({ reason });
  });

  test("tells 10,000 messages to a slow reader without reading ahead of it", async () => {
    const [tom, jerry] = await newPair(server);
    await fill(tom, jerry, { batches: 50, bytes: 4_000 });
    const conversationOf = toUser(jerry.userId);
    const seqs: number[] = [];
    const take = ({ item }: { item?: UserExportItem | undefined }) => {
      if (item?.item.case === "message") seqs.push(item.item.value.seq);
    };
    const reader = admin().exportUser({ userId: tom.userId })[Symbol.asyncIterator]();
    while (seqs.length < 10) take((await reader.next()).value);
    // The reader rests. What is still to be read is read when it goes on, so by then there is nothing more to tell.
    await fill(await newUser(server), await newUser(server), { batches: 3, bytes: 1_000 });
    await tom.rpc.history.hideHistory({ peer: conversationOf });
    for (let next = await reader.next(); next.done !== true; next = await reader.next()) take(next.value);
    expect(seqs).toEqual(count(seqs.length));
    // Some megabytes are on their way between the two, and they are all there is.
    expect(seqs.length).toBeLessThan(8_000);
    const whole = [];
    for await (const { message } of jerry.rpc.history.exportHistory({ peer: toUser(tom.userId) }))
      whole.push(message?.seq);
    expect(whole).toEqual(count(10_000));
  }, 120_000);

  test("is refused when as many of the app are under way as may be; one that is left makes room", async () => {
    const own = await startTestServer({ limits: { serviceSendsPerSecond: 1e6, exportsPerApp: 1 } });
    const [tom, jerry] = await newPair(own);
    await fill(tom, jerry, { batches: 20, bytes: 4_000, of: own });
    const abort = new AbortController();
    const { admin: of } = backend(own);
    const reader = of.exportUser({ userId: tom.userId }, { signal: abort.signal })[Symbol.asyncIterator]();
    await reader.next();
    const another = async () => {
      for await (const _ of of.exportUser({ userId: jerry.userId })) break;
    };
    expect(await refusal(another())).toMatchObject({ reason: "RATE_LIMITED" });
    abort.abort();
    await eventually(another);
    await own.close();
  });
});

/** Fills the conversation of two users by messages of so many bytes, 200 in a batch. */
async function fill(
  a: TestUser,
  b: TestUser,
  { batches, bytes, of = server }: { batches: number; bytes: number; of?: TestServer },
): Promise<void> {
  for (const _ of count(batches))
    await backend(of).admin.importMessages({
      conversation: { case: "users", value: { firstUserId: a.userId, secondUserId: b.userId } },
      messages: count(200).map(() => ({
        senderUserId: a.userId,
        content: text("x".repeat(bytes)),
        createTime: timestampFromMs(Date.now() - 1_000),
        clientMessageId: subject("k"),
      })),
      allowAfter: true,
    });
}

describe("ExportHistory", () => {
  const read = async (
    rpc: TestUser["rpc"],
    request: Parameters<TestUser["rpc"]["history"]["exportHistory"]>[0],
  ): Promise<{ text: string; checkpoint: string }[]> => {
    const told = [];
    for await (const { message, checkpoint } of rpc.history.exportHistory(request))
      told.push({ text: textOf(message), checkpoint });
    return told;
  };

  test("tells all that the caller can read, in order, and goes on from a checkpoint", async () => {
    const [tom, jerry] = await newPair(server);
    const group = await newGroup(jerry, []);
    await say(jerry, toGroup(group), "before");
    await tom.rpc.group.joinGroup({ groupId: group });
    for (const at of count(120)) await say(jerry, toGroup(group), `m${at}`);
    const whole = await read(tom.rpc, { peer: toGroup(group) });
    expect(whole.map((told) => told.text)).toEqual(count(120).map((at) => `m${at}`));
    await say(jerry, toGroup(group), "later");
    for (const at of [0, 49, 50, 119]) {
      const { checkpoint } = must(whole[at]);
      const rest = await read(tom.rpc, { peer: toGroup(group), checkpoint });
      expect(rest.map((told) => told.text)).toEqual(whole.slice(at + 1).map((told) => told.text));
    }
    await tom.rpc.group.leaveGroup({ groupId: group });
    for (const [peer, reason] of [
      [toGroup(group), "NOT_MEMBER"],
      [toRoom("r"), "UNSUPPORTED"],
      [toUser("nobody"), "NOT_FOUND"],
    ] as const)
      expect(await refusal(read(tom.rpc, { peer }))).toMatchObject({ reason });
    expect(await refusal(read(tom.rpc, { peer: toUser(jerry.userId), checkpoint: "?" }))).toMatchObject({
      field: "checkpoint",
    });
  });

  test("of a span of time, its end excluded", async () => {
    const [tom, jerry] = await newPair(server);
    const times = [];
    for (const at of count(4)) {
      const { createTime } = await say(tom, toUser(jerry.userId), `m${at}`);
      times.push(millis(createTime));
      await eventually(() => expect(Date.now()).toBeGreaterThan(millis(createTime)));
    }
    const [, second = 0, , fourth = 0] = times;
    const peer = toUser(tom.userId);
    const told = await read(jerry.rpc, { peer, fromTime: timestampFromMs(second), toTime: timestampFromMs(fourth) });
    expect(told.map((one) => one.text)).toEqual(["m2", "m3"]);
  });
});

describe("GetUserDetail", () => {
  test("tells all at a glance", async () => {
    const { tom, jerry } = await furnished();
    const phone = await login(server, jerry.userId);
    const stream = await subscribe(phone);
    const { detail } = await admin().getUserDetail({ userId: jerry.userId });
    expect(detail).toMatchObject({
      user: { userId: jerry.userId },
      online: true,
      liveSessionCount: 1,
      friendUserIds: [tom.userId],
      friendCount: 1,
      groupCount: 2,
      roomCount: 1,
      unreadTotal: 3,
      credentialKinds: [],
    });
    expect(detail?.sessions.map(({ sessionId }) => sessionId).sort()).toEqual(
      [jerry.sessionId, phone.sessionId].sort(),
    );
    expect(detail?.groupIds).toHaveLength(2);
    await stream.close();
  });

  test("names the first 100 friends, and counts all", async () => {
    const tom = await newUser(server);
    const ids = count(101).map((at) => `${tom.userId}-${String(at).padStart(3, "0")}`);
    await admin().importUsers({ users: ids.map((userId) => ({ userId, friendUserIds: [tom.userId] })) });
    const { detail } = await admin().getUserDetail({ userId: tom.userId });
    expect(detail).toMatchObject({ friendUserIds: ids.slice(0, 100), friendCount: 101 });
  });
});
