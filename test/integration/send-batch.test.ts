import { ErrorReason } from "@parley/proto/parley/v1/error_detail_pb.js";
import type { SendMessageResult } from "@parley/proto/parley/v1/message_service_pb.js";
import { afterAll, beforeAll, expect, test } from "vitest";
import { refusal, startTestServer, subscribe, type TestServer, type TestUser } from "../support/index.js";
import {
  count,
  eventsAfter,
  must,
  newGroup,
  newPair,
  newRoom,
  type SendInit,
  text,
  textOf,
  textsOf,
  toGroup,
  toRoom,
  toUser,
} from "../support/messaging.js";

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => server.close());

const batch = async (from: TestUser, requests: SendInit[]): Promise<SendMessageResult[]> =>
  (await from.rpc.message.sendMessages({ requests })).results;
const outcome = ({ message, error, deduplicated }: SendMessageResult): string => {
  if (error !== undefined) return `${error.code} ${ErrorReason[must(error.detail).reason]}`;
  return `${textOf(message)} ${must(message).seq}${deduplicated ? " again" : ""}`;
};

test("each send has its own outcome, in order, and one that is refused takes no number", async () => {
  const [tom, jerry] = await newPair(server);
  const group = await newGroup(jerry, []);
  const peer = toUser(jerry.userId);
  const results = await batch(tom, [
    { receiver: peer, content: text("a") },
    { receiver: toUser("nobody"), content: text("b") },
    { receiver: toGroup(group), content: text("c") },
    { receiver: peer, content: text("d"), replyToMessageId: "none" },
    { receiver: peer, content: { content: { case: "notice", value: { text: "e" } } } },
    { receiver: peer, content: text("f"), clientMessageId: "key" },
    { receiver: peer, content: text("f"), clientMessageId: "key" },
    { receiver: peer, content: text("g"), clientMessageId: "key" },
    { receiver: peer, content: text("h") },
  ]);
  expect(results.map(outcome)).toEqual([
    "a 1",
    "not_found NOT_FOUND",
    "permission_denied NOT_MEMBER",
    "not_found NOT_FOUND",
    "invalid_argument INVALID_FIELD",
    "f 2",
    "f 2 again",
    "already_exists IDEMPOTENCY_CONFLICT",
    "h 3",
  ]);
  expect(results[6]?.message).toEqual(results[5]?.message);
  expect(results[1]?.error).toMatchObject({
    message: "no such user",
    detail: { field: "receiver.user_id", retryable: false },
  });
  expect(must(results[1]?.error?.detail).metadata.request_id).not.toBe("");
});

test("direct, group, room and transient sends go together, and everyone hears them in order", async () => {
  const [tom, jerry] = await newPair(server);
  const [group, room] = [await newGroup(tom, [jerry]), await newRoom(tom, [jerry])];
  const stream = await subscribe(jerry);
  const results = await batch(tom, [
    { receiver: toUser(jerry.userId), content: text("direct") },
    { receiver: toGroup(group), content: text("group") },
    { receiver: toRoom(room), content: text("room") },
    { receiver: toUser(jerry.userId), content: text("passing"), transient: true },
    { receiver: toUser(jerry.userId), content: text("last") },
  ]);
  expect(results.map(outcome)).toEqual(["direct 1", "group 1", "room 0", "passing 0", "last 2"]);
  await stream.event((event) => event.event.case === "messageCreated" && textOf(event.event.value.message) === "last");
  const events = stream.events();
  expect(textsOf(events.filter((event) => event.cursor !== ""))).toEqual(["direct", "group", "last"]);
  expect(textsOf(events.filter((event) => event.cursor === ""))).toEqual(["room", "passing"]);
  await stream.close();
});

test("100 sends are taken, 101 and none are not", async () => {
  const [tom, jerry] = await newPair(server);
  const { cursor } = await jerry.rpc.message.listEvents({});
  const sends = (length: number) =>
    count(length).map((at) => ({ receiver: toUser(jerry.userId), content: text(`m${at}`) }));
  const results = await batch(tom, sends(100));
  expect(results.map(outcome)).toEqual(count(100).map((at) => `m${at} ${at}`));
  expect(await refusal(batch(tom, sends(101)))).toMatchObject({ reason: "TOO_LARGE", field: "requests" });
  expect(await refusal(batch(tom, []))).toMatchObject({ reason: "INVALID_FIELD", field: "requests" });
  expect(textsOf((await eventsAfter(jerry.rpc, cursor)).events)).toEqual(count(100).map((at) => `m${at}`));
});

test("batches of many senders at once hold the order of each", async () => {
  const [tom, jerry] = await newPair(server);
  const group = await newGroup(tom, [jerry]);
  const { cursor } = await jerry.rpc.message.listEvents({});
  const sends = (of: string, part: number) =>
    count(25).map((at) => ({ receiver: toGroup(group), content: text(`${of} ${part * 100 + at}`) }));
  const run = async (user: TestUser, of: string) => {
    for (const part of count(8)) await batch(user, sends(of, part));
  };
  await Promise.all([run(tom, "tom"), run(jerry, "jerry")]);
  const texts = textsOf((await eventsAfter(jerry.rpc, cursor)).events);
  expect(texts).toHaveLength(400);
  for (const of of ["tom", "jerry"])
    expect(texts.filter((words) => words.startsWith(`${of} `))).toEqual(
      count(8).flatMap((part) => count(25).map((at) => `${of} ${part * 100 + at}`)),
    );
});

test("a repeat of the whole batch stores nothing more", async () => {
  const [tom, jerry] = await newPair(server);
  const requests = count(50).map((at) => ({
    receiver: toUser(jerry.userId),
    content: text(`m${at}`),
    clientMessageId: `key-${at}`,
  }));
  const runs = await Promise.all(count(4).map(() => batch(tom, requests)));
  expect(runs.flat().filter((result) => !result.deduplicated)).toHaveLength(50);
  for (const run of runs) expect(run.map((result) => result.message)).toEqual(runs[0]?.map((result) => result.message));
  const { messages } = await jerry.rpc.history.listMessages({ peer: toUser(tom.userId), pageSize: 100 });
  expect(messages.map((message) => message.seq)).toEqual(count(50));
});

test("each message of a batch counts against the rate", async () => {
  const own = await startTestServer({ settings: { sendRate: 1 }, limits: { sendBurstMessages: 10 } });
  const [tom, jerry] = await newPair(own);
  const sends = (length: number) => count(length).map(() => ({ receiver: toUser(jerry.userId), content: text("x") }));
  expect(await refusal(batch(tom, sends(11)))).toMatchObject({ reason: "RATE_LIMITED" });
  expect(await batch(tom, sends(10))).toHaveLength(10);
  expect(await refusal(batch(tom, sends(5)))).toMatchObject({ reason: "RATE_LIMITED" });
  await own.close();
});
