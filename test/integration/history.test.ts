import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { ListMessagesRequest } from "@parley/proto/parley/v1/history_service_pb.js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { fakeClock } from "../support/fake-clock.js";
import { backend, newUser, refusal, startTestServer, type TestServer, type TestUser } from "../support/index.js";
import {
  count,
  must,
  newGroup,
  newPair,
  newUsers,
  otherApp,
  say,
  type To,
  text,
  textsOf,
  toEveryone,
  toGroup,
  toRoom,
  toSystem,
  toUser,
} from "../support/messaging.js";
import { refused } from "./watching.js";

const clock = fakeClock();
let server: TestServer;
let tom: TestUser;
let jerry: TestUser;
/** The time of each message of the long conversation, by seq. */
let startMs: number;

// One conversation of 250 messages, five to a millisecond.
beforeAll(async () => {
  server = await startTestServer({ clock });
  [tom, jerry] = await newPair(server);
  startMs = clock.now();
  for (const _ of count(50)) {
    const requests = count(5).map(() => ({ receiver: toUser(jerry.userId), content: text("x") }));
    await tom.rpc.message.sendMessages({ requests });
    clock.advance(1);
  }
});
afterAll(() => server.close());

type Position = Exclude<ListMessagesRequest["position"], { case: undefined }>;

/** The seqs of a page, and what else it tells. */
async function page(position: Position | undefined, rest: { pageSize?: number; pageToken?: string } = {}) {
  const answer = await jerry.rpc.history.listMessages({
    peer: toUser(tom.userId),
    ...(position === undefined ? {} : { position }),
    ...rest,
  });
  return { ...answer, seqs: answer.messages.map((message) => message.seq) };
}
const range = (from: number, to: number) => count(Math.max(0, to - from + 1)).map((at) => from + at - 1);

describe("a page of history", () => {
  test("is the newest without a position, rising in seq, with both ends of the conversation", async () => {
    expect(await page(undefined)).toMatchObject({ seqs: range(231, 250), oldestAvailableSeq: 1, headSeq: 250 });
    expect((await page(undefined, { pageSize: 100 })).seqs).toEqual(range(151, 250));
    expect(await refused(page(undefined, { pageSize: 101 }))).toMatchObject({
      reason: "INVALID_FIELD",
      field: "page_size",
    });
  });

  const positions: [string, Position, number[]][] = [
    ["before the first", { case: "beforeSeq", value: 1 }, []],
    ["before a seq", { case: "beforeSeq", value: 8 }, range(1, 7)],
    ["before a seq past the head", { case: "beforeSeq", value: 4_294_967_295 }, range(241, 250)],
    ["after nothing", { case: "afterSeq", value: 0 }, range(1, 10)],
    ["after a seq", { case: "afterSeq", value: 100 }, range(101, 110)],
    ["after one before the last", { case: "afterSeq", value: 249 }, [250]],
    ["after the head", { case: "afterSeq", value: 250 }, []],
    ["around a seq", { case: "aroundSeq", value: 100 }, range(96, 105)],
    ["around the first", { case: "aroundSeq", value: 1 }, range(1, 6)],
    ["around the last", { case: "aroundSeq", value: 250 }, range(246, 250)],
  ];
  test.each(positions)("%s", async (_, position, seqs) => {
    expect(await page(position, { pageSize: 10 })).toMatchObject({ seqs, headSeq: 250, oldestAvailableSeq: 1 });
  });

  test("before a time: an equal time is not before, though many messages share it", async () => {
    const before = async (ms: number, nanos = 0) => {
      const value = timestampFromMs(ms);
      value.nanos += nanos;
      return (await page({ case: "beforeTime", value }, { pageSize: 10 })).seqs;
    };
    expect(await before(startMs)).toEqual([]);
    expect(await before(startMs + 1)).toEqual(range(1, 5));
    expect(await before(startMs + 1, 1)).toEqual(range(1, 10));
    expect(await before(startMs + 20)).toEqual(range(91, 100));
    expect(await before(startMs + 1000)).toEqual(range(241, 250));
  });

  test.each([1, 7, 20, 50, 100])(
    "of %i leads to the next, both ways, through 250 messages without loss or repeat",
    async (pageSize) => {
      const walk = async (position: Position | undefined) => {
        const pages: number[][] = [];
        let pageToken = "";
        do {
          const next = await page(position, { pageSize, pageToken });
          expect(next.seqs.length).toBeGreaterThan(0);
          pages.push(next.seqs);
          pageToken = next.nextPageToken;
        } while (pageToken !== "");
        return pages;
      };
      expect((await walk(undefined)).reverse().flat()).toEqual(range(1, 250));
      expect((await walk({ case: "afterSeq", value: 0 })).flat()).toEqual(range(1, 250));
      const older = await walk({ case: "beforeTime", value: timestampFromMs(startMs + 25) });
      expect(older.reverse().flat()).toEqual(range(1, 125));
      expect((await page({ case: "aroundSeq", value: 100 }, { pageSize })).nextPageToken).toBe("");
    },
  );

  test("goes on where it was, whatever is said meanwhile", async () => {
    const [spike, tyke] = await newPair(server);
    for (const at of count(6)) await say(spike, toUser(tyke.userId), String(at));
    const list = (pageToken: string) =>
      tyke.rpc.history.listMessages({ peer: toUser(spike.userId), pageSize: 2, pageToken });
    const first = await list("");
    await say(spike, toUser(tyke.userId), "7");
    const second = await list(first.nextPageToken);
    expect([...second.messages, ...first.messages].map((message) => message.seq)).toEqual([3, 4, 5, 6]);
    expect(second.headSeq).toBe(7);
    expect(await refused(list("nonsense"))).toMatchObject({ reason: "INVALID_FIELD", field: "page_token" });
  });
});

describe("whose history", () => {
  const list = (user: TestUser, peer: To) => user.rpc.history.listMessages({ peer, pageSize: 100 });

  test("of an unknown user or group, another app's, or a place without one", async () => {
    const foreign = await newUser(await otherApp(server));
    const nobody = { code: "NotFound", reason: "NOT_FOUND", field: "peer.user_id" };
    expect(await refused(list(tom, toUser("nobody")))).toEqual(nobody);
    expect(await refused(list(tom, toUser(foreign.userId)))).toEqual(nobody);
    expect(await refused(list(tom, toGroup("none")))).toEqual({ ...nobody, field: "peer.group_id" });
    expect(await refused(list(tom, toRoom("any")))).toEqual({
      code: "Unimplemented",
      reason: "UNSUPPORTED",
      field: "peer.room_id",
    });
    expect(await refused(list(tom, toEveryone))).toMatchObject({ reason: "INVALID_FIELD", field: "peer" });
  });

  test("of a conversation in which nothing was said is empty", async () => {
    const [spike, tyke] = await newPair(server);
    for (const peer of [toUser(tyke.userId), toUser(spike.userId), toSystem, toGroup(await newGroup(spike, []))])
      expect(await list(spike, peer)).toMatchObject({
        messages: [],
        nextPageToken: "",
        oldestAvailableSeq: 0,
        headSeq: 0,
      });
  });

  test("two users' is theirs alone: a third finds its own, empty", async () => {
    const spike = await newUser(server);
    expect((await list(spike, toUser(jerry.userId))).messages).toEqual([]);
    expect((await list(jerry, toUser(tom.userId))).headSeq).toBe(250);
    const acting = await backend(server)
      .as(jerry.userId)
      .history.listMessages({ peer: toUser(tom.userId) });
    expect(acting.headSeq).toBe(250);
  });

  test.each([false, true])("a group's, with history_for_new_members %s", async (historyForNewMembers) => {
    const [owner, member, late] = (await newUsers(server, ["owner", "member", "late"])) as [
      TestUser,
      TestUser,
      TestUser,
    ];
    const groupId = await newGroup(owner, [member], { historyForNewMembers });
    const peer = toGroup(groupId);
    const [one, two] = [await say(owner, peer, "1"), await say(member, peer, "2")];
    await member.rpc.group.leaveGroup({ groupId });
    const three = await say(owner, peer, "3");
    for (const former of [member, late])
      expect(await refused(list(former, peer))).toMatchObject({ code: "PermissionDenied", reason: "NOT_MEMBER" });
    await owner.rpc.group.addGroupMembers({ groupId, userIds: [member.userId, late.userId] });
    const four = await say(owner, peer, "4");
    const seen = historyForNewMembers ? [one, two, three, four] : [four];
    // Who comes back is as new as who comes first.
    for (const reader of [member, late]) {
      const answer = await list(reader, peer);
      expect(answer).toMatchObject({ oldestAvailableSeq: must(seen[0]).seq, headSeq: 4 });
      expect(answer.messages).toEqual(seen);
      const before = await reader.rpc.history.listMessages({ peer, position: { case: "beforeSeq", value: 4 } });
      expect(before.messages).toEqual(seen.slice(0, -1));
      for (const message of [one, two, three, four]) {
        const got = reader.rpc.history.getMessage({ messageId: message.messageId });
        if (seen.includes(message)) expect((await got).message).toEqual(message);
        else expect(await refused(got)).toEqual({ code: "NotFound", reason: "NOT_FOUND", field: "message_id" });
      }
    }
    expect((await list(owner, peer)).messages).toEqual([one, two, three, four]);
  });
});

describe("GetMessage", () => {
  test("gives a message to those who may see it, and is one answer for what is hidden, foreign or not there", async () => {
    const [spike, foreign] = [await newUser(server), await newUser(await otherApp(server))];
    const sent = await say(tom, toUser(tom.userId), "mine");
    const there = await say(foreign, toUser(foreign.userId), "theirs");
    const direct = await say(spike, toUser(tom.userId), "hi");
    const system = must(
      (await backend(server).admin.sendSystemMessage({ receiver: toUser(tom.userId), content: text("s") })).message,
    );
    const get = (user: TestUser, messageId: string) => user.rpc.history.getMessage({ messageId });
    for (const message of [sent, direct, system]) expect((await get(tom, message.messageId)).message).toEqual(message);
    expect((await get(spike, direct.messageId)).message).toEqual(direct);
    const answers = [];
    for (const id of [sent.messageId, there.messageId, system.messageId, "none"])
      answers.push(await refusal(get(spike, id)));
    for (const answer of answers)
      expect(answer).toMatchObject({
        code: "NotFound",
        reason: "NOT_FOUND",
        field: "message_id",
        message: answers[0]?.message,
      });
  });

  test("P6: what was sent is read at once, by all who read", async () => {
    const [spike, tyke] = await newPair(server);
    const { cursor } = await tyke.rpc.message.listEvents({});
    const sent = await say(spike, toUser(tyke.userId), "now");
    expect((await list2(tyke, spike)).messages).toEqual([sent]);
    expect(textsOf((await tyke.rpc.message.listEvents({ cursor })).events)).toEqual(["now"]);
  });
});

const list2 = (reader: TestUser, other: TestUser) => reader.rpc.history.listMessages({ peer: toUser(other.userId) });
