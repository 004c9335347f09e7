import { afterAll, beforeAll, expect, test } from "vitest";
import { startTestServer, subscribe, type TestServer, type TestUser } from "../support/index.js";
import { count, newPair, text, toUser } from "../support/messaging.js";
import { countStatements } from "./statements.js";

const MISSED = 1_000;
let server: TestServer;
let tom: TestUser;
let jerry: TestUser;
let cursor = "";
beforeAll(async () => {
  server = await startTestServer();
  [tom, jerry] = await newPair(server);
  const before = await subscribe(jerry);
  cursor = (await before.frame("caughtUp")).cursor;
  await before.close();
  const requests = count(100).map(() => ({ receiver: toUser(jerry.userId), content: text("x".repeat(200)) }));
  for (const _ of count(MISSED / 100)) await tom.rpc.message.sendMessages({ requests });
});
afterAll(() => server.close());

/** What a page reads; what the server does beside it is not counted. */
const OF_PAGES = /"(conversation|erasure|member|message|participant|place|user)"|from message/;

test("a page of history takes as many statements wherever it lies", async () => {
  const peer = toUser(tom.userId);
  const beforeTime = { case: "beforeTime", value: { seconds: BigInt(Math.floor(Date.now() / 1000) + 60), nanos: 0 } };
  for (const [position, most] of [
    [undefined, 7],
    [{ case: "beforeSeq", value: 500 }, 7],
    [beforeTime, 8],
  ] as const) {
    using counted = countStatements();
    await jerry.rpc.history.listMessages({ peer, pageSize: 10, ...(position && { position: position as never }) });
    const read = counted.texts.filter((each) => OF_PAGES.test(each));
    expect(read.length, read.join("\n")).toBeLessThanOrEqual(most);
  }
});

test("a stream that missed a thousand messages reads them by chunks, not one by one", async () => {
  using counted = countStatements();
  const stream = await subscribe(jerry, { cursor });
  const read = counted.texts.filter((each) => / from "event" /.test(each));
  expect(stream.events()).toHaveLength(MISSED);
  // Chunks of 200, each of which asks as often for whom the events are.
  expect(read.length).toBeLessThanOrEqual(MISSED / 200 + 1);
  const audiences = counted.texts.filter((each) => each.startsWith("select") && / from "audience" /.test(each));
  expect(audiences.length).toBeLessThanOrEqual(2 * read.length + 2);
  // For whom each event is, is read once, and where each chunk ends.
  expect(counted.rowsOf(/^select.* from "audience" /)).toBeLessThanOrEqual(MISSED + 2 * read.length + 2);
  await stream.close();
});
