import { PresenceMode } from "@parley/proto/parley/v1/message_service_pb.js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ON_POSTGRES } from "../support/database.js";
import { fakeClock } from "../support/fake-clock.js";
import {
  backend,
  eventually,
  newUser,
  startTestServer,
  subscribe,
  type TestServer,
  withToken,
} from "../support/index.js";
import {
  must,
  newGroup,
  newRoom,
  otherApp,
  say,
  says,
  text,
  toEveryone,
  toGroup,
  toRoom,
  toUser,
} from "../support/messaging.js";
import { newPhone, pushesTo, scriptedSender, type TestPhone } from "../support/push.js";

const AWAIT_MS = 3_000;
const GRACE_MS = 10_000;
const BOOT_GRACE_MS = 15_000;

const clock = fakeClock();
const sender = scriptedSender();
let server: TestServer;
beforeAll(async () => {
  server = await startTestServer({ clock, pushSender: sender });
});
afterAll(() => server.close());

const bodiesTo = (phone: TestPhone) => sender.to(phone.pushToken).map(({ body }) => body);

/** Lets everything that was said be decided and handed over: a later message to somebody who is away comes after it. */
async function settled(on = server): Promise<void> {
  const [marker, sayer] = [await newPhone(on), await newUser(on)];
  await say(sayer, toUser(marker.userId), "mark");
  await pushesTo(sender, marker);
}

/** Somebody on the phone, with a stream that acknowledges. */
async function online(phone: TestPhone, presence = PresenceMode.ONLINE, cursor = "") {
  const stream = await subscribe(phone, { presence, cursor });
  const ack = async (words: string) => {
    const { cursor } = await stream.event(says(words));
    await phone.rpc.message.ackEvents({ cursor });
  };
  await phone.rpc.message.ackEvents({});
  return { stream, ack };
}

describe("a message to somebody who is offline", () => {
  test("is pushed to the phone once, with its text, badge, sound and what opens the conversation", async () => {
    const tom = await newUser(server, "tom");
    await tom.rpc.user.updateUser({ displayName: "Tom" });
    const jerry = await newPhone(server);
    await say(tom, toUser(jerry.userId), "one");
    const message = await say(tom, toUser(jerry.userId), "hello");
    const push = (await pushesTo(sender, jerry, 2)).find(({ body }) => body === "hello");
    expect(push).toMatchObject({
      title: "Tom",
      body: "hello",
      sound: "default",
      badge: 2,
      contentAvailable: false,
      collapseId: message.messageId,
      threadId: message.conversationId,
      data: {
        v: 1,
        app_id: server.appId,
        conversation_id: message.conversationId,
        message_id: message.messageId,
        seq: 2,
        sender: { userId: tom.userId },
        receiver: { userId: jerry.userId },
        message: { messageId: message.messageId, content: { text: { text: "hello" } } },
      },
    });
    clock.advance(60_000);
    await settled();
    expect(sender.to(jerry.pushToken)).toHaveLength(2);
  });

  test("is pushed to each of two phones once, and says what its sender wished", async () => {
    const tom = await newUser(server);
    const jerry = await newPhone(server);
    const other = await newPhone(server, jerry.userId);
    const push = { title: "News", prefix: "<", suffix: ">", bodyOverride: "secret", sound: "ping", badge: 9 };
    await say(tom, toUser(jerry.userId), "hello", { push: { ...push, contentAvailable: true, collapseKey: "key" } });
    const [first] = await pushesTo(sender, jerry);
    const [second] = await pushesTo(sender, other);
    for (const shown of [first, second])
      expect(shown).toMatchObject({
        title: "News",
        body: "<secret>",
        sound: "ping",
        badge: 9,
        contentAvailable: true,
        collapseId: "key",
      });
    expect(must(first).pushId).not.toBe(must(second).pushId);
    await settled();
    expect([jerry, other].map((phone) => bodiesTo(phone).length)).toEqual([1, 1]);
  });

  test("comes from a stranger, a friend, a group and the system, worded for each in the phone's language", async () => {
    const tom = await newUser(server);
    await tom.rpc.user.updateUser({ displayName: "Tom" });
    const jerry = await newPhone(server, undefined, { locale: "zh-CN" });
    const group = must(
      (await tom.rpc.group.createGroup({ name: "Cats", memberUserIds: [jerry.userId] })).group,
    ).groupId;
    await tom.rpc.group.updateGroupMember({ groupId: group, userId: tom.userId, alias: "T." });
    const image = { content: { case: "image" as const, value: { url: "https://x.example/a.png" } } };
    await say(tom, toUser(jerry.userId), "stranger");
    await tom.rpc.friend.addFriend({ userId: jerry.userId });
    await say(tom, toUser(jerry.userId), "friend");
    await tom.rpc.message.sendMessage({ receiver: toGroup(group), content: image });
    await backend(server).admin.sendSystemMessage({ receiver: toUser(jerry.userId), content: text("to you") });
    await backend(server).admin.sendSystemMessage({ receiver: toGroup(group), content: text("to all of you") });
    const pushes = await pushesTo(sender, jerry, 5);
    expect(pushes.map(({ title, body }) => `${title} | ${body}`).sort()).toEqual(
      ["Tom | stranger", "Tom | friend", "Cats | T.：[图片]", "通知 | to you", "Cats | ：to all of you"].sort(),
    );
  });

  test("is worded by the app's templates, from the next push on", async () => {
    const app = await otherApp(server);
    const { admin } = backend(app);
    const tom = await newUser(app, "tom");
    const jerry = await newPhone(app, undefined, { locale: "en-GB" });
    const templates = [{ locale: "en", direct: { title: "From {sender}", body: "I say: {text}" }, sound: "bell" }];
    await admin.setPushTemplates({ templates: { templates } });
    expect((await admin.getPushTemplates({})).templates?.templates).toMatchObject(templates);
    await say(tom, toUser(jerry.userId), "hi {sender}");
    const [push] = await pushesTo(sender, jerry);
    expect(push).toMatchObject({ title: `From ${tom.userId}`, body: "I say: hi {sender}", sound: "bell" });
  });
});

describe("nothing is pushed", () => {
  test("of one's own words, rooms, transient messages, words to everyone, notices and what is not to be", async () => {
    const tom = await newPhone(server);
    const other = await newPhone(server, tom.userId);
    const jerry = await newPhone(server);
    const room = await newRoom(tom, [jerry]);
    const group = await newGroup(tom, [jerry]);
    const { admin } = backend(server);
    await say(tom, toUser(tom.userId), "to myself");
    await say(tom, toRoom(room), "in the room");
    await say(tom, toUser(jerry.userId), "game", { transient: true });
    await say(tom, toUser(jerry.userId), "quiet", { push: { disabled: true } });
    await admin.sendSystemMessage({ receiver: toEveryone, content: text("to everyone") });
    const notice = { content: { case: "notice" as const, value: { type: "joined", text: "Jerry joined" } } };
    await admin.sendSystemMessage({ receiver: toGroup(group), content: notice });
    await admin.sendSystemMessage({ receiver: toRoom(room), content: text("to the room") });
    await say(tom, toGroup(group), "heard");
    await pushesTo(sender, jerry);
    await settled();
    expect(bodiesTo(jerry)).toEqual([`${tom.userId}: heard`]);
    expect([...bodiesTo(tom), ...bodiesTo(other)]).toEqual([]);
  });

  test("to those who were not members yet, or no more", async () => {
    const tom = await newUser(server);
    const [early, late, stays] = [await newPhone(server), await newPhone(server), await newPhone(server)];
    const group = await newGroup(tom, [early, stays]);
    await tom.rpc.group.removeGroupMembers({ groupId: group, userIds: [early.userId] });
    await say(tom, toGroup(group), "between");
    await tom.rpc.group.addGroupMembers({ groupId: group, userIds: [late.userId] });
    await say(tom, toGroup(group), "after");
    await pushesTo(sender, late);
    await settled();
    const said = [early, late, stays].map((phone) =>
      bodiesTo(phone)
        .map((body) => body.split(": ")[1])
        .sort(),
    );
    expect(said).toEqual([[], ["after"], ["after", "between"]]);
  });

  test("to whoever acknowledged it in time, visible or not, on whichever device", async () => {
    const tom = await newUser(server);
    for (const presence of [PresenceMode.ONLINE, PresenceMode.INVISIBLE]) {
      const jerry = await newPhone(server);
      const asleep = await newPhone(server, jerry.userId);
      const { stream, ack } = await online(jerry, presence);
      await say(tom, toUser(jerry.userId), "hello");
      await ack("hello");
      clock.advance(AWAIT_MS);
      await settled();
      expect([...bodiesTo(jerry), ...bodiesTo(asleep)]).toEqual([]);
      await stream.close();
    }
  });

  test("to a client that never acknowledges, as long as its stream is open", async () => {
    const tom = await newUser(server);
    const jerry = await newPhone(server);
    const stream = await subscribe(jerry);
    await say(tom, toUser(jerry.userId), "hello");
    clock.advance(600_000);
    await settled();
    expect(bodiesTo(jerry)).toEqual([]);
    await stream.close();
  });

  test("in an app without a credential, of what was said before it has one, or after it has none", async () => {
    const app = await otherApp(server);
    const tom = await newUser(app, "tom");
    const jerry = await newPhone(app);
    sender.can = (appId) => appId !== app.appId;
    await say(tom, toUser(jerry.userId), "before");
    await settled();
    sender.can = () => true;
    await say(tom, toUser(jerry.userId), "with");
    await pushesTo(sender, jerry);
    sender.can = (appId) => appId !== app.appId;
    await say(tom, toUser(jerry.userId), "after");
    await settled();
    sender.can = () => true;
    await say(tom, toUser(jerry.userId), "again");
    await pushesTo(sender, jerry, 2);
    expect(bodiesTo(jerry)).toEqual(["with", "again"]);
  });
});

describe("somebody whose client is here", () => {
  test("and leaves the message unacknowledged for 3 s is pushed, not a moment earlier", async () => {
    const tom = await newUser(server);
    const jerry = await newPhone(server);
    const { stream } = await online(jerry);
    await say(tom, toUser(jerry.userId), "hello");
    await settled();
    clock.advance(AWAIT_MS - 1);
    await settled();
    expect(bodiesTo(jerry)).toEqual([]);
    clock.advance(1);
    await pushesTo(sender, jerry);
    await stream.close();
  });

  test("is pushed within 5 s by the clock on the wall", async () => {
    const own = scriptedSender();
    const real = await startTestServer({ pushSender: own });
    const tom = await newUser(real);
    const jerry = await newPhone(real);
    const { stream } = await online(jerry);
    const saidMs = performance.now();
    await say(tom, toUser(jerry.userId), "hello");
    await pushesTo(own, jerry);
    const tookMs = performance.now() - saidMs;
    expect(tookMs).toBeGreaterThan(2_500);
    expect(tookMs).toBeLessThan(5_000);
    await stream.close();
    await real.close();
  });

  test("and pauses is pushed at once; one who is lost, after the moment in which it might have come back", async () => {
    const tom = await newUser(server);
    const [paused, lost] = [await newPhone(server), await newPhone(server)];
    const streams = [await online(paused), await online(lost)];
    await paused.rpc.message.pauseSession({});
    await streams[1]?.stream.close();
    await eventually(async () => {
      const { sessions } = await lost.rpc.auth.listSessions({});
      expect(sessions.map((session) => session.online)).toEqual([false]);
    });
    for (const phone of [paused, lost]) await say(tom, toUser(phone.userId), "hello");
    await pushesTo(sender, paused);
    await settled();
    expect(bodiesTo(lost)).toEqual([]);
    clock.advance(AWAIT_MS);
    await pushesTo(sender, lost);
    clock.advance(GRACE_MS);
  });

  test("is one of so many that are waited for; what comes beyond is decided after them, and none is lost", async () => {
    const narrow = await startTestServer({ clock, pushSender: sender, limits: { pushesAwaited: 2 } });
    const tom = await newUser(narrow);
    const [jerry, spike] = [await newPhone(narrow), await newPhone(narrow)];
    const { stream } = await online(jerry);
    await say(tom, toUser(jerry.userId), "one");
    // There is room for one more, so what is behind it is looked at.
    await settled(narrow);
    for (const words of ["two", "three"]) await say(tom, toUser(jerry.userId), words);
    await say(tom, toUser(spike.userId), "hello");
    await settled();
    expect([...bodiesTo(jerry), ...bodiesTo(spike)]).toEqual([]);
    clock.advance(AWAIT_MS);
    await pushesTo(sender, jerry, 3);
    await pushesTo(sender, spike);
    expect(bodiesTo(jerry).sort()).toEqual(["one", "three", "two"]);
    await stream.close();
    await narrow.close();
  });

  test("and has not been heard for a minute is pushed at once", async () => {
    const tom = await newUser(server);
    const jerry = await newPhone(server);
    const { stream } = await online(jerry);
    clock.advance(60_000);
    await say(tom, toUser(jerry.userId), "hello");
    await pushesTo(sender, jerry);
    await stream.close();
  });
});

describe("a start of the server", () => {
  // Nodes that share a database know from it who was here before.
  test.skipIf(ON_POSTGRES)(
    "pushes nobody who comes back within 15 s, and everybody else then; who logs in since is not waited for",
    async () => {
      let place = await startTestServer({ clock, pushSender: sender });
      const [back, gone] = [await newPhone(place), await newPhone(place)];
      const { cursor: from } = await back.rpc.message.listEvents({});
      clock.advance(1);
      place = await place.restart();
      const tom = await newUser(place);
      const fresh = await newPhone(place);
      for (const phone of [back, gone, fresh]) await say(tom, toUser(phone.userId), "while you were away");
      await pushesTo(sender, fresh);
      clock.advance(AWAIT_MS);
      await settled(place);
      expect([...bodiesTo(back), ...bodiesTo(gone)]).toEqual([]);
      const { stream, ack } = await online({ ...back, rpc: withToken(place, back.token) }, PresenceMode.ONLINE, from);
      await ack("while you were away");
      clock.advance(BOOT_GRACE_MS - AWAIT_MS);
      await pushesTo(sender, gone);
      await settled(place);
      expect(bodiesTo(back)).toEqual([]);
      await stream.close();
      await place.close();
    },
  );
});

test("nothing is pushed any more of what was erased, nor to whoever was deleted or logged out by the backend", async () => {
  const { admin } = backend(server);
  const [tom, owner, sayer] = [await newUser(server), await newUser(server), await newUser(server)];
  const jerry = await newPhone(server);
  const group = await newGroup(owner, [jerry]);
  const busy = sender.answer;
  sender.answer = () => ({ kind: "later", reason: "busy", delayMs: 60_000 });
  await say(tom, toUser(jerry.userId), "by one who is deleted");
  await say(owner, toGroup(group), "in a history that is cleared");
  await pushesTo(sender, jerry, 2);
  await admin.deleteUser({ userId: tom.userId });
  await owner.rpc.history.clearHistory({ peer: toGroup(group) });
  sender.answer = busy;
  await settled();
  clock.advance(60_000);
  await say(sayer, toUser(jerry.userId), "later");
  await pushesTo(sender, jerry, 3);
  await settled();
  expect(bodiesTo(jerry).slice(2)).toEqual(["later"]);
  const [deleted, revoked] = [await newPhone(server), await newPhone(server)];
  await admin.deleteUser({ userId: deleted.userId });
  await admin.disconnectUser({ userId: revoked.userId, revokeSessions: true });
  await say(sayer, toUser(revoked.userId), "hello");
  await settled();
  expect([...bodiesTo(deleted), ...bodiesTo(revoked)]).toEqual([]);
});
