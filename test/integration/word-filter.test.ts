import { randomUUID } from "node:crypto";
import type { SetWordFilterRequestSchema } from "@parley/proto/parley/v1/admin_service_pb.js";
import { WordFilterAction } from "@parley/proto/parley/v1/word_filter_pb.js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  anonymous,
  backend,
  newUser,
  refusal,
  startTestServer,
  subscribe,
  type TestServer,
  type TestUser,
} from "../support/index.js";
import {
  type Init,
  messageOf,
  must,
  newGroup,
  newPair,
  newRoom,
  otherApp,
  type SendInit,
  say,
  send,
  text,
  textOf,
  textsOf,
  toEveryone,
  toGroup,
  toRoom,
  toUser,
} from "../support/messaging.js";

const { MASK, REJECT } = WordFilterAction;

let host: TestServer;
beforeAll(async () => {
  host = await startTestServer();
});
afterAll(() => host.close());

/** An app of a test's own, with two users, a group and a room, and a filter for "bad". */
async function filtered(settings: Init<typeof SetWordFilterRequestSchema> = {}) {
  const server = await otherApp(host);
  const [tom, jerry] = await newPair(server);
  const group = await newGroup(tom, [jerry]);
  const room = await newRoom(tom, [jerry]);
  const { admin } = backend(server);
  await admin.setWordFilter({ enabled: true, words: ["bad", "坏话"], ...settings });
  return { server, admin, tom, jerry, group, room };
}

const rejected = (field: string) => ({ code: "FailedPrecondition", reason: "CONTENT_REJECTED", field });
const setTo = (action: WordFilterAction) => ({ enabled: true, action, keepWords: true });

describe("a filter that masks", () => {
  test.each([
    ["direct", false],
    ["group", false],
    ["room", true],
    ["direct, transient", true],
    ["group, transient", true],
  ] as const)("changes a %s message for everybody, before it is stored", async (kind, transient) => {
    const { tom, jerry, group, room } = await filtered();
    const receiver = kind.startsWith("direct") ? toUser(jerry.userId) : kind === "room" ? toRoom(room) : toGroup(group);
    const streams = [await subscribe(tom), await subscribe(jerry)];
    const sent = await say(tom, receiver, "so BAD, 壞話", { transient: transient && kind !== "room" });
    expect(textOf(sent)).toBe("so ***, **");
    for (const stream of streams) {
      const heard = await stream.event((event) => messageOf(event)?.messageId === sent.messageId);
      expect(textOf(messageOf(heard))).toBe("so ***, **");
      await stream.close();
    }
    if (transient) return;
    const { messages } = await jerry.rpc.history.listMessages({
      peer: kind === "direct" ? toUser(tom.userId) : toGroup(group),
    });
    expect(messages.map(textOf)).toEqual(["so ***, **"]);
  });

  const media = { url: "https://x.example/", fileName: "bad.png" };
  const contents: [string, SendInit, (sent: object) => void][] = [
    ...(["image", "audio", "video", "file"] as const).map((kind): [string, SendInit, (sent: object) => void] => [
      `the name of a file: ${kind}`,
      { content: { content: { case: kind, value: media } } },
      (sent) =>
        expect(sent).toMatchObject({ content: { content: { value: { fileName: "***.png", url: media.url } } } }),
    ]),
    [
      "the name of a place",
      { content: { content: { case: "location", value: { latitude: 1, name: "bad place" } } } },
      (sent) => expect(sent).toMatchObject({ content: { content: { value: { latitude: 1, name: "*** place" } } } }),
    ],
    [
      "a fallback text, and no data of the app's own",
      {
        content: { content: { case: "custom", value: { type: "bad", fallbackText: "bad", data: { bad: "bad" } } } },
        remark: "bad",
        attributes: { bad: "bad" },
      },
      (sent) =>
        expect(sent).toMatchObject({
          content: { content: { value: { type: "bad", fallbackText: "***", data: { bad: "bad" } } } },
          remark: "bad",
          attributes: { bad: "bad" },
        }),
    ],
  ];
  test.each(contents)("changes %s", async (_, init, check) => {
    const { tom, jerry } = await filtered();
    check(must((await tom.rpc.message.sendMessage({ receiver: toUser(jerry.userId), ...init })).message));
  });

  test("changes each message of a batch for itself", async () => {
    const { tom, jerry } = await filtered();
    const requests = ["bad", "good"].map((words) => ({ receiver: toUser(jerry.userId), content: text(words) }));
    const { results } = await tom.rpc.message.sendMessages({ requests });
    expect(results.map(({ message }) => textOf(message))).toEqual(["***", "good"]);
  });

  test("leaves what the system and the app's backend write", async () => {
    const { server, admin, jerry, group } = await filtered({ action: REJECT });
    for (const receiver of [toUser(jerry.userId), toGroup(group), toEveryone])
      expect(textOf((await admin.sendSystemMessage({ receiver, content: text("bad") })).message)).toBe("bad");
    const { users } = await admin.batchUpsertUsers({ users: [{ userId: jerry.userId, displayName: "bad" }] });
    expect(users[0]?.displayName).toBe("bad");
    const { group: named } = await backend(server).group.updateGroup({ groupId: group, name: "bad" });
    expect(named?.name).toBe("bad");
    // In the name of a user it is the user's.
    const acting = backend(server)
      .as(jerry.userId)
      .message.sendMessage({ receiver: toGroup(group), content: text("bad") });
    expect(await refusal(acting)).toMatchObject(rejected("content.text.text"));
  });

  test("still knows a repeat by what was sent first", async () => {
    const { admin, tom, jerry } = await filtered();
    for (const transient of [false, true]) {
      const key = { clientMessageId: randomUUID(), transient };
      const first = await say(tom, toUser(jerry.userId), "bad", key);
      expect(textOf(first)).toBe("***");
      const again = await send(tom, toUser(jerry.userId), "bad", key);
      expect(again).toMatchObject({ deduplicated: true, message: { messageId: first.messageId } });
      expect(textOf(again.message)).toBe("***");
      // What it was made into is another message.
      expect(await refusal(say(tom, toUser(jerry.userId), "***", key))).toMatchObject({
        reason: "IDEMPOTENCY_CONFLICT",
      });
      // It is the same repeat when the filter has changed, even to one that would refuse it now.
      await admin.setWordFilter(setTo(REJECT));
      expect(await send(tom, toUser(jerry.userId), "bad", key)).toMatchObject({ deduplicated: true });
      await admin.setWordFilter(setTo(MASK));
    }
  });
});

describe("a filter that rejects", () => {
  test("refuses a message by the field, stores nothing and takes no seq", async () => {
    const { tom, jerry, group, room } = await filtered({ action: REJECT });
    for (const receiver of [toUser(jerry.userId), toGroup(group), toRoom(room)]) {
      const refused = await refusal(say(tom, receiver, "so bad"));
      expect(refused).toMatchObject(rejected("content.text.text"));
      expect(refused.message).not.toContain("bad");
      expect(refused.detail.retryable).toBe(false);
    }
    expect(await refusal(say(tom, toUser(jerry.userId), "so bad", { transient: true }))).toMatchObject(
      rejected("content.text.text"),
    );
    expect((await say(tom, toUser(jerry.userId), "so good")).seq).toBe(1);
  });

  test("refuses one message of a batch and no other", async () => {
    const { tom, jerry } = await filtered({ action: REJECT });
    const requests = ["one", "bad", "two"].map((words) => ({ receiver: toUser(jerry.userId), content: text(words) }));
    const { results } = await tom.rpc.message.sendMessages({ requests });
    expect(results.map(({ message, error }) => message?.seq ?? error?.detail?.field)).toEqual([
      1,
      "content.text.text",
      2,
    ]);
  });

  test("names every field that people read", async () => {
    const { tom, jerry } = await filtered({ action: REJECT });
    const media = { url: "https://x.example/", fileName: "bad" };
    const cases: [SendInit, string][] = [
      [{ content: { content: { case: "image", value: media } } }, "content.image.file_name"],
      [{ content: { content: { case: "location", value: { name: "bad" } } } }, "content.location.name"],
      [
        { content: { content: { case: "custom", value: { type: "t", fallbackText: "bad" } } } },
        "content.custom.fallback_text",
      ],
      [{ content: text("x"), push: { title: "bad" } }, "push.title"],
      [{ content: text("x"), push: { prefix: "bad" } }, "push.prefix"],
      [{ content: text("x"), push: { suffix: "bad" } }, "push.suffix"],
      [{ content: text("x"), push: { bodyOverride: "bad" } }, "push.body_override"],
    ];
    for (const [init, field] of cases) {
      const sent = tom.rpc.message.sendMessage({ receiver: toUser(jerry.userId), ...init });
      expect(await refusal(sent)).toMatchObject(rejected(field));
    }
  });
});

describe("names", () => {
  const named = (tom: TestUser, group: string, room: string) =>
    [
      [
        "UpdateUser",
        "display_name",
        async () => (await tom.rpc.user.updateUser({ displayName: "a bad" })).user?.displayName,
      ],
      ["CreateGroup", "name", async () => (await tom.rpc.group.createGroup({ name: "a bad" })).group?.name],
      [
        "UpdateGroup",
        "name",
        async () => (await tom.rpc.group.updateGroup({ groupId: group, name: "a bad" })).group?.name,
      ],
      [
        "UpdateGroupMember",
        "alias",
        async () =>
          (await tom.rpc.group.updateGroupMember({ groupId: group, userId: tom.userId, alias: "a bad" })).member?.alias,
      ],
      ["CreateRoom", "name", async () => (await tom.rpc.room.createRoom({ name: "a bad" })).room?.name],
      ["UpdateRoom", "name", async () => (await tom.rpc.room.updateRoom({ roomId: room, name: "a bad" })).room?.name],
    ] as const;

  test("of users, groups, rooms and members are masked or refused like messages", async () => {
    const { admin, tom, group, room } = await filtered();
    for (const [call, , make] of named(tom, group, room)) expect(await make(), call).toBe("a ***");
    await admin.setWordFilter(setTo(REJECT));
    for (const [call, field, make] of named(tom, group, room))
      expect(await refusal(make()), call).toMatchObject(rejected(field));
    expect((await tom.rpc.group.getGroup({ groupId: group })).group?.name).toBe("a ***");
  });

  test("of new accounts too, where the username is shown when no other name is given", async () => {
    const { server, admin } = await filtered();
    const account = (username: string, displayName = "") =>
      anonymous(server).auth.createAccount({
        appId: server.appId,
        clientKey: server.clientKey,
        username,
        password: "secret",
        displayName,
      });
    expect((await account(`bad${randomUUID()}`)).user?.displayName).toMatch(/^\*{3}[0-9a-f-]{36}$/);
    expect((await account(`x${randomUUID()}`, "Bad")).user?.displayName).toBe("***");
    await admin.setWordFilter(setTo(REJECT));
    expect(await refusal(account(`bad${randomUUID()}`))).toMatchObject(rejected("username"));
    expect(await refusal(account(`x${randomUUID()}`, "Bad"))).toMatchObject(rejected("display_name"));
  });

  test("a repeat of a group that was made before is answered, and a new one refused", async () => {
    const { admin, tom } = await filtered();
    const request = { name: "bad", requestId: randomUUID() };
    const first = await tom.rpc.group.createGroup(request);
    await admin.setWordFilter(setTo(REJECT));
    expect((await tom.rpc.group.createGroup(request)).group?.groupId).toBe(first.group?.groupId);
    expect(await refusal(tom.rpc.group.createGroup({ ...request, requestId: randomUUID() }))).toMatchObject(
      rejected("name"),
    );
  });
});

describe("the settings of a filter", () => {
  test("hold for all that is sent after the answer, and again after a restart", async () => {
    const server = await startTestServer();
    const [tom, jerry] = await newPair(server);
    const { admin } = backend(server);
    const said = async (words: string) => textOf(await say(tom, toUser(jerry.userId), words));
    expect(await said("bad")).toBe("bad");
    const set = await admin.setWordFilter({ enabled: true, words: ["bad"], mask: "#" });
    expect(set.filter).toMatchObject({ enabled: true, action: MASK, mask: "#", wordCount: 1 });
    expect(await said("bad")).toBe("###");
    await admin.addFilterWords({ words: ["worse"] });
    expect(await said("bad worse")).toBe("### #####");
    await admin.removeFilterWords({ words: ["bad"] });
    expect(await said("bad worse")).toBe("bad #####");
    await admin.setWordFilter({ enabled: true, words: ["bad"], ignoreSeparators: true });
    expect(await said("b-a-d worse")).toBe("***** worse");
    await admin.setWordFilter({ enabled: false, keepWords: true });
    expect(await said("bad")).toBe("bad");
    await admin.setWordFilter({ enabled: true, keepWords: true, useDefaultList: true });
    expect(await said("bad 代開發票")).toBe("*** ****");
    const [before, after] = [await admin.getWordFilter({}), await server.restart()];
    expect((await backend(after).admin.getWordFilter({})).filter).toEqual(before.filter);
    const again = await newUser(after);
    expect(textOf(await say(again, toUser(jerry.userId), "bad"))).toBe("***");
    await after.close();
  });

  test("are those of one app alone", async () => {
    const [one, other] = [await filtered(), await filtered({ words: ["good"] })];
    expect(textOf(await say(one.tom, toUser(one.jerry.userId), "bad good"))).toBe("*** good");
    expect(textOf(await say(other.tom, toUser(other.jerry.userId), "bad good"))).toBe("bad ****");
  });

  test("take 10,000 words and no more, of 64 code points and no more", async () => {
    const { admin, tom, jerry } = await filtered();
    const words = Array.from({ length: 10_000 }, (_, at) => `word${at}x`);
    expect((await admin.setWordFilter({ enabled: true, words })).filter?.wordCount).toBe(10_000);
    expect(textOf(await say(tom, toUser(jerry.userId), "word9999x word10000x"))).toBe("********* word10000x");
    const tooLarge = (field: string, limit: string) => ({
      code: "ResourceExhausted",
      reason: "TOO_LARGE",
      field,
      detail: { metadata: { limit } },
    });
    expect(await refusal(admin.setWordFilter({ words: [...words, "one more"] }))).toMatchObject(
      tooLarge("words", "10000"),
    );
    expect(await refusal(admin.addFilterWords({ words: ["one more"] }))).toMatchObject(tooLarge("words", "10000"));
    // One that is there is no more.
    await admin.addFilterWords({ words: ["word0x"] });
    await admin.removeFilterWords({ words: ["word0x", "never there"] });
    const longest = "😀".repeat(64);
    expect((await admin.addFilterWords({ words: [longest] })).filter?.wordCount).toBe(10_000);
    expect(await refusal(admin.setWordFilter({ words: [`${longest}a`] }))).toMatchObject(tooLarge("words[0]", "64"));
    expect(textOf(await say(tom, toUser(jerry.userId), longest))).toBe("*".repeat(64));
    expect(await refusal(admin.addFilterWords({ words: words.slice(0, 1001) }))).toMatchObject(
      tooLarge("words", "1000"),
    );
  });

  test.each([
    ["a word of which nothing is left", { words: ["ok", "\u200b\u200d"] }, "words[1]"],
    ["an empty word", { words: [""] }, "words[0]"],
    ["a mask that is longer than what it hides", { mask: "●" }, "mask"],
    ["two masks", { mask: "##" }, "mask"],
    ["words beside keep_words", { words: ["x"], keepWords: true }, "words"],
    ["an action that is none", { action: 9 as WordFilterAction }, "action"],
  ])("are refused for %s", async (_, request, field) => {
    const { admin } = await filtered();
    const before = await admin.getWordFilter({});
    expect(await refusal(admin.setWordFilter({ enabled: true, ...request }))).toMatchObject({
      reason: "INVALID_FIELD",
      field,
    });
    expect(await admin.getWordFilter({})).toEqual(before);
  });

  test("are listed by pages, in the order of their code points", async () => {
    const { admin } = await filtered({ words: ["c", "a", "b", "B", "中"] });
    const first = await admin.listFilterWords({ pageSize: 2 });
    expect(first.words).toEqual(["B", "a"]);
    const rest = await admin.listFilterWords({ pageToken: first.nextPageToken });
    expect(rest).toMatchObject({ words: ["b", "c", "中"], nextPageToken: "" });
  });

  test("that change at the same time all count", async () => {
    const { admin } = await filtered({ words: [] });
    const words = Array.from({ length: 12 }, (_, at) => `word${at}`);
    await Promise.all(words.map((word) => admin.addFilterWords({ words: [word] })));
    expect((await admin.listFilterWords({ pageSize: 100 })).words).toEqual([...words].sort());
  });

  test("never let a message through half-way while they change", async () => {
    const { admin, tom, jerry } = await filtered();
    const stream = await subscribe(jerry);
    let over = false;
    const changes = (async () => {
      for (let at = 0; !over; at += 1) await admin.addFilterWords({ words: [`other${at}`] });
    })();
    for (let at = 0; at < 50; at += 1) await say(tom, toUser(jerry.userId), "bad");
    over = true;
    await changes;
    await stream.event((event) => messageOf(event)?.seq === 50);
    expect(new Set(textsOf(stream.events()))).toEqual(new Set(["***"]));
    await stream.close();
  });
});
