import { existsSync, readFileSync } from "node:fs";
import { request } from "node:http";
import { gunzipSync } from "node:zlib";
import { toBinary } from "@bufbuild/protobuf";
import { ChatMessageSchema } from "@parley/proto/parley/v1/chat_message_pb.js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { APP_DEFAULTS, LIMITS } from "../../server/src/limits.js";
import { backend, newUser, refusal, startTestServer, type TestServer } from "../support/index.js";
import { count, must, newPair, say, send, subject, text, toUser } from "../support/messaging.js";
import { refused } from "./watching.js";

/** Where each limit is tried at its edge: the file, and the title of the test. Those that name this file stand below. */
const TRIED: Readonly<Record<keyof typeof LIMITS, readonly [file: string, title: string]>> = {
  textBytes: ["test/integration/send-limits.test.ts", "text, in bytes"],
  messageBytes: ["test/integration/limits.test.ts", "the largest message that the contract allows fits"],
  structBytes: ["test/integration/send-limits.test.ts", "attributes, in bytes"],
  structDepth: ["test/integration/send-limits.test.ts", "attributes, in levels"],
  requestBytes: ["test/hostile/bodies.test.ts", "%s: 1 MiB is read, one byte more is resource_exhausted"],
  responseBytes: ["test/integration/limits.test.ts", "an answer as large as may be is given, a larger one is refused"],
  compressMinBytes: ["test/integration/limits.test.ts", "an answer is compressed from its size on, and not below it"],
  urlBytes: ["test/integration/http-router.test.ts", "a URL at the limit passes, one byte more is 414"],
  headerBytes: ["server/src/http/guard.test.ts", "bytes: at the limit and one past it"],
  headerPairs: ["server/src/http/guard.test.ts", "pairs: at the limit and one past it"],
  http2StreamsPerConnection: ["test/hostile/slow.test.ts", "a session may open only so many streams at once"],
  http2StreamResets: ["test/hostile/floods.test.ts", "a connection that opens streams only to end them is cut"],
  http2StreamResetsPerSecond: [
    "test/hostile/floods.test.ts",
    "a connection that opens streams only to end them is cut",
  ],
  http2SessionMemoryMb: ["test/hostile/floods.test.ts", "a flood from a connection that never reads is cut"],
  connections: ["test/integration/http.test.ts", "connections beyond the limit are refused, the others go on"],
  newConnectionsPerSecond: ["server/src/http/admission.test.ts", "are bounded over time, however soon they end"],
  cachedSessions: ["server/src/domain/session-cache.test.ts", "the oldest goes first when it is full"],
  pageItems: ["server/src/domain/page.test.ts", "0 means the default, and the limit holds"],
  pageDefaultItems: ["server/src/domain/page.test.ts", "0 means the default, and the limit holds"],
  batchMessages: ["test/integration/send-batch.test.ts", "100 sends are taken, 101 and none are not"],
  roomMembers: ["test/integration/limits.test.ts", "a room takes 1,000 members and not one more"],
  groupMembersDefault: ["test/integration/limits.test.ts", "a group takes 500 members, or as many as the app says"],
  groupMembersHard: ["test/integration/limits.test.ts", "an app may say 5,000 members and not one more"],
  groupsPerUser: [
    "test/integration/group-joining.test.ts",
    "a user is in as many groups and rooms as allowed and not one more",
  ],
  friendsPerUser: ["test/integration/friends.test.ts", "friendsPerUser"],
  sessionsPerUser: ["test/integration/sessions.test.ts", "beyond the limit end the oldest"],
  streams: ["test/hostile/streams.test.ts", "of the node: SERVER_BUSY with a delay"],
  streamsOpening: [
    "server/src/rpc/subscribe.test.ts",
    "so many streams are let in at once, and the others in the order in which they came",
  ],
  streamsPerAddress: ["test/hostile/streams.test.ts", "of one address, its users however many"],
  streamsPerUser: ["test/hostile/streams.test.ts", "of one user: the oldest is told TOO_MANY_STREAMS"],
  streamQueueBytes: [
    "server/src/delivery/subscription.test.ts",
    "one commit larger than the queue is written as far as there is room",
  ],
  streamChunkEvents: ["server/src/store/visible.test.ts", "read in chunks of any size"],
  sendBurstMessages: ["test/integration/send-batch.test.ts", "each message of a batch counts against the rate"],
  transientSendsPerSecond: ["test/integration/transient.test.ts", "transient sends have a rate of their own"],
  serviceSendsPerSecond: [
    "test/integration/limits.test.ts",
    "the app's backend sends so many a second, imports among them",
  ],
  changesPerSecond: ["test/integration/poison.test.ts", "are bounded for one user"],
  batchFriends: ["test/integration/strangers.test.ts", "takes 1 to 100, and stops at the most friends a user may have"],
  searchFilters: ["test/integration/search.test.ts", "refuses what it cannot do, by its field"],
  searchSorts: ["test/integration/search.test.ts", "refuses what it cannot do, by its field"],
  searchesPerSecond: ["test/integration/search.test.ts", "ten a second for each user"],
  searchedRows: ["test/integration/search.test.ts", "a part of a text is sought in so many rows at once"],
  searchedThings: [
    "test/integration/search.test.ts",
    "many that are equal by the first of two paths are too many to order",
  ],
  presenceSettingsBurst: ["test/integration/presence-settings.test.ts", "changes are few: five in one go"],
  changeBurst: ["test/integration/poison.test.ts", "are bounded for one user"],
  loginTries: ["test/integration/logins.test.ts", "is tried only so often for one account"],
  loginTriesPerAddress: ["test/access/guessing.test.ts", "from one address: it is stopped over all accounts together"],
  loginWindowSeconds: ["test/access/guessing.test.ts", "from many addresses: each account is tried only so often"],
  smsCodeTries: [
    "server/src/domain/login/sms/codes.test.ts",
    "the fifth try may be right; after five wrong ones the code is dead",
  ],
  smsCodesPerNumberDay: [
    "server/src/domain/login/sms/codes.test.ts",
    "a number gets five codes in the 24 hours from its first, over a restart too",
  ],
  smsCodesPerAddressHour: ["test/integration/logins-sms.test.ts", "is one of 20 in an hour for one address"],
  oauthProviders: ["test/hostile/fields.test.ts", "every size in the contract holds at its edge and not one past it"],
  outwardCallsPerApp: ["server/src/domain/outward-gate.test.ts", "an app whose calls hang fills its own places alone"],
  outwardQueuePerApp: ["server/src/domain/outward-gate.test.ts", "an app whose calls hang fills its own places alone"],
  pushAnswerBytes: ["test/contract/push-sender.test.ts", "an answer without end"],
  apnsTokenDigits: ["test/integration/installations.test.ts", "may have the longest of tokens"],
  pushTemplates: ["test/hostile/fields.test.ts", "every size in the contract holds at its edge and not one past it"],
  pushPayloadBytes: ["server/src/push/alert.test.ts", "stays within its bytes whatever is in it"],
  pushTries: ["server/src/push/outcome.test.ts", "after the eighth try, or the end of its life: it is given up"],
  pushesInFlight: [
    "test/delivery/push-provider.test.ts",
    "for one app delays another by less than 100 ms, and has no more than 100 pushes in flight",
  ],
  pushesAwaited: ["test/integration/push.test.ts", "is one of so many that are waited for"],
  pushCredentialFailures: [
    "server/src/push/breaker.test.ts",
    "opens at the fifth refusal in a row, not at the fourth, and tells it once",
  ],
  filterWords: ["test/integration/word-filter.test.ts", "take 10,000 words and no more, of 64 code points and no more"],
  filterWordCodePoints: [
    "test/integration/word-filter.test.ts",
    "take 10,000 words and no more, of 64 code points and no more",
  ],
  statisticsHours: ["test/integration/statistics.test.ts", "more than 31 days of hours"],
  statisticsDays: ["test/integration/statistics.test.ts", "more than 1,100 days"],
  auditTargets: ["test/access/audit.test.ts", "names at most 100 things, and says how many there were"],
  auditWaitingEntries: [
    "server/src/domain/audit/audit-log.test.ts",
    "what cannot be written yet waits, the newest of it",
  ],
  tokenKeys: ["test/hostile/fields.test.ts", "every size in the contract holds at its edge and not one past it"],
  importItems: ["test/integration/import.test.ts", "takes 500 at once and no more"],
  exportsPerApp: ["server/src/rpc/export-places.test.ts", "as many exports of one app as allowed"],
  eventLoopBusyMs: ["server/src/ops/load.test.ts", "judges whole windows: calm up to the bound, busy above it"],
  eventLoopFloodedMs: ["server/src/ops/load.test.ts", "judges whole windows: calm up to the bound, busy above it"],
  letInPerSecond: ["server/src/ops/load.test.ts", "lets a few in, whatever its level"],
  returnsPerSecond: ["server/src/ops/load.test.ts", "are told to come back one after the other"],
  fetchedBytes: ["test/access/safe-fetch.test.ts", "nor read without end"],
  commitBatchItems: ["server/src/store/committer.test.ts", "a batch holds what its weight allows"],
  commitQueueItems: [
    "server/src/store/committer.test.ts",
    "takes as many as its queue holds, and refuses one more at once",
  ],
  diskReserveBytes: ["test/durability/full-disk.test.ts", "is told by name, while reads and streams go on"],
  attachmentBytes: ["test/integration/attachments.test.ts", "size: at the limit and one past it"],
  attachmentBytesPerUser: [
    "test/integration/attachments.test.ts",
    "quota: all of it, those under way too, and one past it; the small count as 64 KiB",
  ],
  attachmentLeastBytes: [
    "test/integration/attachments.test.ts",
    "quota: all of it, those under way too, and one past it; the small count as 64 KiB",
  ],
  uploadBurst: ["test/integration/attachments.test.ts", "rate: 50 at once, then one in 1.2 s"],
  uploadsPerMinute: ["test/integration/attachments.test.ts", "rate: 50 at once, then one in 1.2 s"],
  uploadStallBytes: [
    "test/integration/attachment-transfers.test.ts",
    "may come slowly for as long as they keep coming",
  ],
  imagePixels: [
    "test/access/attachments.test.ts",
    "a picture of more pixels than are ever decoded is refused, one that is broken has no thumbnail",
  ],
  thumbnailSidePixels: [
    "test/browser/attachments.test.ts",
    "a picture is sent, seen by the other side and after a reload, and saved byte for byte",
  ],
  imagesWaiting: [
    "server/src/domain/gate.test.ts",
    "a few run at once, a few wait in order, and one more is told to come back",
  ],
  transientAttachments: [
    "server/src/domain/attachments/heard.test.ts",
    "at its limit and one past it: the oldest attachment is forgotten",
  ],
  heldEvents: ["server/src/delivery/hold.test.ts", "so many events, and so many bytes, and not one more"],
  heldBytes: ["server/src/delivery/hold.test.ts", "so many events, and so many bytes, and not one more"],
  busRangeBytes: ["server/src/delivery/bus-codec.test.ts", "a range of the most bytes goes whole, a larger one rings"],
};

test("every limit names the test that tries it, and the test is there", () => {
  expect(Object.keys(TRIED).sort()).toEqual(Object.keys(LIMITS).sort());
  for (const [limit, [file, title]] of Object.entries(TRIED)) {
    expect(existsSync(file), `${limit}: ${file}`).toBe(true);
    // Not in this table itself.
    const found = readFileSync(file, "utf8").split(title).length - 1;
    expect(found, `${limit}: "${title}" in ${file}`).toBeGreaterThan(
      file === "test/integration/limits.test.ts" ? 1 : 0,
    );
  }
});

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer({ limits: { serviceSendsPerSecond: 20, responseBytes: 256 * 1024 } });
});
afterAll(() => server.close());

const admin = () => backend(server).admin;

/** Makes users, 500 in a call. */
async function manyUsers(length: number): Promise<string[]> {
  const prefix = subject("m");
  const ids = count(length).map((at) => `${prefix}-${at}`);
  for (let at = 0; at < length; at += 500)
    await admin().importUsers({ users: ids.slice(at, at + 500).map((userId) => ({ userId })) });
  return ids;
}

const full = (field: string, limit: number) => ({
  code: "ResourceExhausted",
  reason: "MEMBER_LIMIT",
  field,
  limit: String(limit),
});

describe("members", () => {
  test("a room takes 1,000 members and not one more", async () => {
    expect(LIMITS.roomMembers).toBe(1_000);
    const ids = await manyUsers(1_000);
    const late = await newUser(server);
    const { room } = await backend(server).room.createRoom({ memberUserIds: ids });
    const roomId = must(room).roomId;
    expect(room?.memberCount).toBe(1_000);
    expect(await refused(late.rpc.room.joinRoom({ roomId }))).toEqual(full("room_id", 1_000));
    await backend(server).as(must(ids[0])).room.leaveRoom({ roomId });
    expect((await late.rpc.room.joinRoom({ roomId })).room?.memberCount).toBe(1_000);
  }, 60_000);

  test("a group takes 500 members, or as many as the app says", async () => {
    expect([LIMITS.groupMembersDefault, APP_DEFAULTS.maxGroupMembers]).toEqual([500, 500]);
    const ids = await manyUsers(500);
    const late = await newUser(server);
    const { group } = await backend(server).group.createGroup({ memberUserIds: ids });
    const groupId = must(group).groupId;
    expect(group?.memberCount).toBe(500);
    expect(await refused(late.rpc.group.joinGroup({ groupId }))).toEqual(full("group_id", 500));
    await admin().updateSettings({ settings: { maxGroupMembers: 501 } });
    expect((await late.rpc.group.joinGroup({ groupId })).group?.memberCount).toBe(501);
    const { userId } = await newUser(server);
    expect(await refused(backend(server).group.addGroupMembers({ groupId, userIds: [userId] }))).toEqual(
      full("user_ids", 501),
    );
  }, 60_000);

  test("an app may say 5,000 members and not one more", async () => {
    const most = LIMITS.groupMembersHard;
    expect((await admin().updateSettings({ settings: { maxGroupMembers: most } })).settings?.maxGroupMembers).toBe(
      5_000,
    );
    expect(await refused(admin().updateSettings({ settings: { maxGroupMembers: most + 1 } }))).toMatchObject({
      field: "settings.max_group_members",
    });
  });
});

test("the largest message that the contract allows fits", async () => {
  const [tom, jerry] = await newPair(server);
  const most = { a: "x".repeat(8_000), b: "x".repeat(8_360) };
  const message = await say(tom, toUser(jerry.userId), "", {
    content: {
      content: { case: "custom", value: { type: "t".repeat(64), data: most, fallbackText: "f".repeat(8_192) } },
    },
    attributes: most,
    remark: "r".repeat(1_024),
    clientMessageId: "c".repeat(64),
    mentions: { everyone: true, userIds: count(50).map((at) => `${at}`.padStart(128, "m")) },
  });
  const bytes = toBinary(ChatMessageSchema, message).length;
  expect(bytes).toBeGreaterThan(48_000);
  expect(bytes).toBeLessThan(LIMITS.messageBytes);
  const { messages } = await jerry.rpc.history.listMessages({ peer: toUser(tom.userId) });
  expect(messages).toEqual([message]);
});

test("the app's backend sends so many a second, imports among them", async () => {
  const own = await startTestServer({ limits: { serviceSendsPerSecond: 20 } });
  const [tom, jerry] = await newPair(own);
  const one = () => ({
    senderUserId: tom.userId,
    content: text("x"),
    createTime: { seconds: 1_600_000_000n, nanos: 0 },
    clientMessageId: subject("k"),
  });
  const pair = { firstUserId: tom.userId, secondUserId: jerry.userId };
  const bring = (length: number) =>
    backend(own).admin.importMessages({
      conversation: { case: "users", value: pair },
      messages: count(length).map(one),
    });
  expect(await bring(20)).toMatchObject({ imported: 20 });
  const late = await refusal(bring(20));
  expect(late).toMatchObject({ reason: "RATE_LIMITED" });
  expect(late.detail.retryDelay).toBeDefined();
  await own.close();
});

/** The history of two users as HTTP gives it to a GET, which Connect answers: with its coding. */
function fetchHistory(token: string, userId: string, pageSize: number) {
  return new Promise<{ status: number; coding: string | undefined; body: Buffer }>((resolve, reject) => {
    const message = encodeURIComponent(JSON.stringify({ peer: { userId }, pageSize }));
    const url = `${server.url}/parley.v1.HistoryService/ListMessages?connect=v1&encoding=json&message=${message}`;
    const headers = { "accept-encoding": "gzip", authorization: `Bearer ${token}` };
    const call = request(url, { headers }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => void chunks.push(chunk));
      response.on("end", () => {
        const { statusCode: status = 0 } = response;
        resolve({ status, coding: response.headers["content-encoding"], body: Buffer.concat(chunks) });
      });
    });
    call.on("error", reject).end();
  });
}

test("an answer is compressed from its size on, and not below it", async () => {
  const [tom, jerry] = await newPair(server);
  for (const _ of count(5)) await say(tom, toUser(jerry.userId), "x".repeat(8_000));
  const small = await fetchHistory(tom.token, jerry.userId, 2);
  expect([small.status, small.coding]).toEqual([200, undefined]);
  expect(small.body.length).toBeLessThan(LIMITS.compressMinBytes);
  const large = await fetchHistory(tom.token, jerry.userId, 5);
  expect([large.status, large.coding]).toEqual([200, "gzip"]);
  expect(gunzipSync(large.body).length).toBeGreaterThan(LIMITS.compressMinBytes);
});

test("an answer as large as may be is given, a larger one is refused", async () => {
  const [tom, jerry] = await newPair(server);
  for (const _ of count(40)) await send(tom, toUser(jerry.userId), "x".repeat(8_000));
  const fits = await fetchHistory(tom.token, jerry.userId, 30);
  expect([fits.status, gunzipSync(fits.body).length < 256 * 1024]).toEqual([200, true]);
  const beyond = await fetchHistory(tom.token, jerry.userId, 40);
  expect([beyond.status, JSON.parse(beyond.body.toString()).code]).toEqual([429, "resource_exhausted"]);
});
