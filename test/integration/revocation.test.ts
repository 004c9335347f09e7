import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { GoodbyeReason } from "@parley/proto/parley/v1/message_service_pb.js";
import {
  ChangeKind,
  EventKind,
  SessionRevokedReason,
  type StreamEvent,
} from "@parley/proto/parley/v1/stream_event_pb.js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  eventually,
  newUser,
  openStream,
  refusal,
  startTestServer,
  subscribe,
  type TestServer,
  type TestStream,
  type TestUser,
  withToken,
} from "../support/index.js";
import {
  count,
  eventsAfter,
  messageOf,
  must,
  newDevice,
  newGroup,
  newPair,
  newUsers,
  say,
  says,
  streamFailure,
  textsOf,
  toGroup,
  toUser,
} from "../support/messaging.js";

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => server.close());

/** What a stream ended by: its last event and its last frame. */
async function endOf(stream: TestStream): Promise<string> {
  expect(await stream.ended).toBeUndefined();
  expect(stream.frames.at(-1)?.case).toBe("goodbye");
  const { reason, reconnect } = await stream.frame("goodbye");
  const last = stream.events().at(-1)?.event;
  const revoked = last?.case === "sessionRevoked" ? SessionRevokedReason[last.value.reason] : "nothing";
  return `${revoked} ${GoodbyeReason[reason]}${reconnect ? " reconnect" : ""}`;
}

describe("P10: a session that is ended", () => {
  test("by its logout: its own stream is told and ends, other devices go on, its token is refused", async () => {
    const [tom, jerry] = await newPair(server);
    const phone = await newDevice(server, jerry);
    const [stream, other] = await Promise.all([subscribe(phone), subscribe(jerry)]);
    await phone.rpc.auth.logout({});
    expect(await endOf(stream)).toBe("LOGGED_OUT SESSION_REVOKED");
    expect(stream.events().at(-1)).toMatchObject({ event: { value: { sessionId: phone.sessionId } } });
    await say(tom, toUser(jerry.userId), "after");
    await other.event(says("after"));
    expect(other.events()).toHaveLength(1);
    const revoked = { code: "Unauthenticated", reason: "SESSION_REVOKED" };
    expect(await refusal(phone.rpc.auth.listSessions({}))).toMatchObject(revoked);
    expect(await refusal(phone.rpc.auth.logout({}))).toMatchObject(revoked);
    expect(await refusal(streamFailure(phone))).toMatchObject(revoked);
    await other.close();
  });

  test("from another device: the same, with another reason; nobody else's session can be named", async () => {
    const [tom, jerry] = await newPair(server);
    const phone = await newDevice(server, jerry);
    const stream = await subscribe(phone);
    const unknown = await refusal(jerry.rpc.auth.revokeSession({ sessionId: "none" }));
    expect(await refusal(tom.rpc.auth.revokeSession({ sessionId: phone.sessionId }))).toMatchObject({
      code: "NotFound",
      reason: "NOT_FOUND",
      message: unknown.message,
    });
    await jerry.rpc.auth.revokeSession({ sessionId: phone.sessionId });
    expect(await endOf(stream)).toBe("REVOKED SESSION_REVOKED");
  });

  test("I6: gets nothing after it, whatever is sent at that moment", async () => {
    const [tom, jerry] = await newPair(server);
    const round = async (name: string) => {
      const phone = await newDevice(server, jerry);
      const stream = await subscribe(phone);
      const racing = count(3).map((at) => say(tom, toUser(jerry.userId), `${name} ${at}`));
      await Promise.all([...racing, phone.rpc.auth.logout({})]);
      await say(tom, toUser(jerry.userId), `${name} after`);
      expect(await endOf(stream)).toBe("LOGGED_OUT SESSION_REVOKED");
      const own = textsOf(stream.events()).filter((words) => words.startsWith(`${name} `));
      expect(own).not.toContain(`${name} after`);
      // What came before the end came whole: the conversation's seqs have no gap.
      const seqs = stream.events().flatMap((event) => messageOf(event)?.seq ?? []);
      expect(seqs).toEqual(seqs.map((_, at) => must(seqs[0]) + at));
    };
    for (const at of count(25)) await Promise.all(count(8).map((lane) => round(`${at}.${lane}`)));
  });

  test("I6: cannot open a stream that outlives it, however close the two come", async () => {
    const jerry = await newUser(server);
    const round = async (phone: TestUser, openFirst: boolean) => {
      const early = openFirst ? openStream(phone) : undefined;
      const over = phone.rpc.auth.logout({});
      const stream = early ?? openStream(phone);
      await over;
      const ended = await stream.ended;
      if (ended === undefined) return `goodbye ${GoodbyeReason[(await stream.frame("goodbye")).reason]}`;
      return `refused ${(await refusal(Promise.reject(ended))).reason}`;
    };
    const ends = new Set<string>();
    for (const each of count(20)) {
      const phones = await Promise.all(count(10).map(() => newDevice(server, jerry)));
      for (const phone of phones) await phone.rpc.auth.listSessions({});
      for (const end of await Promise.all(phones.map((phone, at) => round(phone, (at + each) % 2 === 0))))
        ends.add(end);
    }
    for (const end of ends) expect(["goodbye SESSION_REVOKED", "refused SESSION_REVOKED"]).toContain(end);
  });

  test("I6: reads nothing later by a long poll that was waiting", async () => {
    const [tom, jerry] = await newPair(server);
    const round = async () => {
      const phone = await newDevice(server, jerry);
      const { cursor } = await phone.rpc.message.listEvents({});
      const waiting = phone.rpc.message.listEvents({ cursor, wait: durationFromMs(20_000) });
      const sends = count(3).map(() => say(tom, toUser(jerry.userId), "x"));
      await Promise.all([phone.rpc.auth.logout({}), ...sends]);
      const kinds = (await waiting.catch(() => ({ events: [] as StreamEvent[] }))).events.map((event) => event.kind);
      expect(kinds.slice(0, -1)).not.toContain(EventKind.SESSION_REVOKED);
    };
    for (const _ of count(10)) await Promise.all(count(5).map(round));
  });

  test("never sees the end of another session", async () => {
    const jerry = await newUser(server);
    const phone = await newDevice(server, jerry);
    const { cursor } = await jerry.rpc.message.listEvents({});
    await phone.rpc.auth.logout({});
    expect((await eventsAfter(jerry.rpc, cursor)).events).toEqual([]);
    expect(await refusal(withToken(server, phone.token).message.listEvents({ cursor }))).toMatchObject({
      reason: "SESSION_REVOKED",
    });
  });
});

describe("P7: a member who is removed", () => {
  const change = ({ event }: StreamEvent): ChangeKind | undefined =>
    event.case === "groupMemberChanged" ? event.value.change : undefined;

  test("gets its removal and nothing of the group after it, until it is back; live and replayed alike", async () => {
    const [tom, jerry, spike] = (await newUsers(server, ["tom", "jerry", "spike"])) as [TestUser, TestUser, TestUser];
    const groupId = await newGroup(tom, [spike]);
    const start = {
      tom: (await tom.rpc.message.listEvents({})).cursor,
      jerry: (await jerry.rpc.message.listEvents({})).cursor,
    };
    const stream = await subscribe(jerry);
    const userIds = [jerry.userId];
    for (const round of count(200)) {
      await tom.rpc.group.addGroupMembers({ groupId, userIds });
      const racing = [tom, spike, tom].map((user, at) => say(user, toGroup(groupId), `${round} ${at}`));
      await Promise.all([...racing, tom.rpc.group.removeGroupMembers({ groupId, userIds })]);
      if (round % 4 === 0) await say(tom, toGroup(groupId), `${round} after`);
    }
    await say(tom, toUser(jerry.userId), "end");
    await stream.event(says("end"));
    // The owner saw all; a member was in from its adding to its removal, both included.
    let inside = false;
    const expected = (await eventsAfter(tom.rpc, start.tom)).events.filter((event) => {
      const was = inside;
      if (change(event) !== undefined) inside = change(event) === ChangeKind.ADDED;
      return was || inside || textsOf([event])[0] === "end";
    });
    expect(expected.filter((event) => change(event) === ChangeKind.REMOVED)).toHaveLength(200);
    expect(textsOf(expected).filter((words) => words.endsWith("after"))).toEqual([]);
    expect(stream.events()).toEqual(expected);
    expect((await eventsAfter(jerry.rpc, start.jerry)).events).toEqual(expected);
    await stream.close();
    // From any place inside, the same: also where the reader is out at the cursor, or in.
    for (const at of [1, 2, 3, 100, 101, 399]) {
      const resumed = await subscribe(jerry, { cursor: must(expected[at]).cursor });
      expect(resumed.events()).toEqual(expected.slice(at + 1));
      await resumed.close();
    }
  });

  test("cannot read, send or mark any more, and a stream opened at that moment hears nothing later", async () => {
    const [tom, jerry] = await newPair(server);
    for (const round of count(40)) {
      const groupId = await newGroup(tom, [jerry]);
      const stream = openStream(jerry);
      await tom.rpc.group.removeGroupMembers({ groupId, userIds: [jerry.userId] });
      await say(tom, toGroup(groupId), `secret ${round}`);
      await say(tom, toUser(jerry.userId), `end ${round}`);
      await eventually(() => expect(stream.frames.length).toBeGreaterThan(1));
      await say(tom, toUser(jerry.userId), `really ${round}`);
      await stream.event(says(`really ${round}`));
      expect(textsOf(stream.events()).filter((words) => words.startsWith("secret"))).toEqual([]);
      await stream.close();
      if (round > 1) continue;
      const peer = toGroup(groupId);
      for (const call of [
        () => say(jerry, peer, "x"),
        () => jerry.rpc.history.listMessages({ peer }),
        () => jerry.rpc.conversation.getConversation({ peer }),
        () => jerry.rpc.conversation.markRead({ peer }),
        () => jerry.rpc.message.setTyping({ peer, typing: true }),
      ])
        expect(await refusal(call())).toMatchObject({ code: "PermissionDenied", reason: "NOT_MEMBER" });
    }
  });
});
