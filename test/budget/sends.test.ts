import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startTestServer, type TestServer, type TestUser } from "../support/index.js";
import { count, newGroup, newPair, newUsers, text, toGroup, toUser } from "../support/messaging.js";
import { countStatements } from "./statements.js";

type Receiver = ReturnType<typeof toUser> | ReturnType<typeof toGroup>;

let server: TestServer;
let tom: TestUser;
let jerry: TestUser;
beforeAll(async () => {
  server = await startTestServer();
  [tom, jerry] = await newPair(server);
});
afterAll(() => server.close());

/** The tables that a send between users or in a group touches. What other work of the server joins the commit is not counted. */
const OF_SENDS = /"(app_log|audience|conversation|event|member|message|participant|place|user)"/;
const WRITES = /^(insert|update|delete)/;

/** What one commit of so many sends runs on the database. One call of many sends is written as many calls of one turn are. */
async function sendTogether(sends: number, receiver: Receiver) {
  const requests = count(sends).map(() => ({ receiver, content: text("x".repeat(200)) }));
  await tom.rpc.message.sendMessages({ requests: requests.slice(0, 1) });
  using counted = countStatements();
  await tom.rpc.message.sendMessages({ requests });
  const at = counted.texts.findIndex((each) => each.startsWith('insert into "message"'));
  const begin = counted.texts.lastIndexOf("begin immediate", at);
  const commit = counted.texts.slice(begin, counted.texts.indexOf("commit", at));
  const ours = commit.filter((each) => OF_SENDS.test(each));
  const writes = ours.filter((each) => WRITES.test(each)).length;
  return { reads: ours.length - writes, writes };
}

describe("a commit of sends", () => {
  // One insert for 64 rows of a table, 16, 4 or 1; an event between users is for two audiences. Nothing else grows with the sends.
  test.each([
    [1, 6],
    [8, 7],
    [64, 6],
  ])("of %i between two users takes 4 statements to read and %i to write", async (sends, writes) => {
    expect(await sendTogether(sends, toUser(jerry.userId))).toEqual({ reads: 4, writes });
  });

  test("of 64 in a group takes no more, whatever the number of its members", async () => {
    const others = await newUsers(
      server,
      count(60).map((at) => `member-${at}`),
    );
    const group = await newGroup(tom, [jerry, ...others]);
    expect(await sendTogether(64, toGroup(group))).toEqual({ reads: 4, writes: 5 });
  });
});
