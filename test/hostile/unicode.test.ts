import { create, toBinary } from "@bufbuild/protobuf";
import { LoginRequestSchema } from "@parley/proto/parley/v1/auth_service_pb.js";
import { afterAll, beforeAll, describe, expect, it, type TestContext } from "vitest";
import { wires } from "../conformance/wire.js";
import { login, newUser, refusal, startTestServer, type TestServer, type TestUser } from "../support/index.js";
import { say, textOf, toUser } from "../support/messaging.js";
import { figure } from "../support/proofs/figure.js";

let server: TestServer;
let tom: TestUser;
let jerry: TestUser;
beforeAll(async () => {
  server = await startTestServer();
  [tom, jerry] = [await newUser(server, "tom"), await newUser(server, "jerry")];
});
afterAll(() => server.close());

/** Well-formed text that something on the way might like to mend. */
const TEXTS: Readonly<Record<string, string>> = {
  "a byte order mark": "\ufeffmark\ufeff",
  "overrides of direction": "\u202egnp.exe\u202c \u2066isolated\u2069 \u200f\u200e",
  "no width": "a\u200bb\u200cc\u200dd\u2060e\u00ad",
  "a family": "👨‍👩‍👧‍👦🏳️‍🌈👋🏽",
  "composed and decomposed": "é é Å Å ﬀ ｆ",
  "combining marks": `z${"\u0334\u0321".repeat(2_000)}`,
  "beyond the first plane": "𝕳𝖊𝖑𝖑𝖔 𠜎 \u{10ffff} \u{1f9ff}",
  "not characters": "\uffff\ufffe\u{1fffe}\ufdd0\ufffd",
  controls: "\u0001\u0007\u001b[31m\u007f\u0085\r\n\t\u2028\u2029",
  markup: "<script>alert(1)</script>&amp;%00%0d%0a'\"`\\u0041\\",
};

describe("H11: text", () => {
  it("is kept byte for byte, wherever it is kept", async (context: TestContext) => {
    for (const [name, text] of Object.entries(TEXTS)) {
      const sent = await say(tom, toUser(jerry.userId), text, {
        remark: text.slice(0, 200),
        attributes: { [text]: [text] },
      });
      const { messages } = await jerry.rpc.history.listMessages({ peer: toUser(tom.userId), pageSize: 1 });
      expect(Buffer.from(textOf(messages[0])).equals(Buffer.from(text)), name).toBe(true);
      expect(messages[0]?.remark, name).toBe(text.slice(0, 200));
      expect(messages[0]?.attributes, name).toEqual({ [text]: [text] });
      expect(messages[0]?.messageId).toBe(sent.messageId);
      const body = JSON.stringify({
        receiver: { userId: jerry.userId },
        content: { text: { text } },
        remark: text.slice(0, 200),
      });
      const headers = { authorization: `Bearer ${tom.token}` };
      const method = "parley.v1.MessageService/SendMessage";
      expect(await wires.connect({ url: server.url, method, codec: "json", body, headers }), name).toMatchObject({
        code: "ok",
      });
      const [inJson] = (await jerry.rpc.history.listMessages({ peer: toUser(tom.userId), pageSize: 1 })).messages;
      expect([textOf(inJson), inJson?.remark], `${name} in JSON`).toEqual([text, text.slice(0, 200)]);
      const short = [...text].slice(0, 60).join("");
      await tom.rpc.user.updateUser({ displayName: short });
      expect((await jerry.rpc.user.getUser({ userId: tom.userId })).user?.displayName, name).toBe(short);
    }
    figure(context, `${Object.keys(TEXTS).length} texts kept byte for byte in 4 places, in JSON and binary`);
  });

  it("of lone surrogates is refused in JSON, and cannot be told in binary", async () => {
    for (const escaped of ["\\ud800", "\\udc00", "\\udc00\\ud800", "x\\udbff"]) {
      const body = `{"receiver":{"userId":"${jerry.userId}"},"content":{"text":{"text":"${escaped}"}}}`;
      const headers = { authorization: `Bearer ${tom.token}` };
      const answer = await wires.connect({
        url: server.url,
        method: "parley.v1.MessageService/SendMessage",
        codec: "json",
        body,
        headers,
      });
      expect(answer, escaped).toMatchObject({ code: "invalid_argument", reason: "INVALID_FIELD" });
    }
  });

  it("is measured in bytes, not in what it looks like", async () => {
    const ofBytes = (bytes: number, unit: string) =>
      unit.repeat(Math.floor(bytes / Buffer.byteLength(unit))).padEnd(bytes / Buffer.byteLength(unit), "");
    for (const unit of ["a", "é", "€", "😀", "\u0334"]) {
      const most = ofBytes(8192, unit);
      await say(tom, toUser(jerry.userId), most);
      expect(
        await refusal(say(tom, toUser(jerry.userId), `${most}${"a".repeat(8193 - Buffer.byteLength(most))}`)),
        unit,
      ).toMatchObject({
        reason: "TOO_LARGE",
        field: "content.text.text",
      });
    }
    const mark = `a${"\u0334".repeat(500_000)}`;
    expect(await refusal(say(tom, toUser(jerry.userId), mark))).toMatchObject({ reason: "TOO_LARGE" });
    expect(await refusal(tom.rpc.user.updateUser({ displayName: "é".repeat(129) }))).toMatchObject({
      reason: "TOO_LARGE",
    });
  });
});

describe("H11: ids", () => {
  const twins: readonly [string, string][] = [
    ["composed", "caf\u00e9"],
    ["decomposed", "cafe\u0301"],
    ["Cyrillic that looks Latin", "\u0430dmin"],
    ["Greek that looks Latin", "\u03bfperator"],
    ["full width", "\uff54\uff4f\uff4d"],
    ["no width", "to\u200bm"],
    ["turned about", "\u202emot"],
    ["a blank", "tom "],
    ["a hard blank", "tom\u00a0"],
    ["a dot", "tom."],
    ["a path", "../tom"],
    ["a line end", "tom\n"],
    ["a mark in front", "\ufefftom"],
  ];

  it.each(twins)("with %s are none: logging in, writing to, reading of", async (_name, id) => {
    const invalid = { code: "InvalidArgument", reason: "INVALID_FIELD" };
    expect(await refusal(login(server, id))).toMatchObject(invalid);
    expect(await refusal(say(tom, toUser(id), "x"))).toMatchObject(invalid);
    expect(await refusal(tom.rpc.user.getUser({ userId: id }))).toMatchObject(invalid);
    expect(await refusal(tom.rpc.group.createGroup({ name: "g", memberUserIds: [id] }))).toMatchObject(invalid);
  });

  it("that differ by case are two users, and neither is another", async () => {
    const [lower, upper] = [await login(server, "case"), await login(server, "CASE")];
    await say(lower, toUser("CASE"), "to the other");
    expect((await upper.rpc.history.listMessages({ peer: toUser("case") })).messages).toHaveLength(1);
    expect((await lower.rpc.conversation.listConversations({})).conversations).toHaveLength(1);
  });

  it("of accounts are the server's own: usernames are compared byte for byte, and a twin is another user", async () => {
    const app = { appId: server.appId, clientKey: server.clientKey };
    const { auth } = tom.rpc;
    const names = ["Caf\u00e9", "Cafe\u0301", "caf\u00e9", "C\u0430f\u00e9"];
    const ids = new Set<string>();
    for (const username of names)
      ids.add((await auth.createAccount({ ...app, username, password: `password of ${username}` })).user?.userId ?? "");
    expect(ids.size).toBe(names.length);
    for (const username of names)
      for (const other of names) {
        const credential = { case: "password" as const, value: { username, password: `password of ${other}` } };
        if (username === other) expect(ids).toContain((await auth.login({ ...app, credential })).userId);
        else expect(await refusal(auth.login({ ...app, credential }))).toMatchObject({ reason: "WRONG_CREDENTIAL" });
      }
  });

  it("of an app or key in other letters are wrong, not an error", async () => {
    const body = toBinary(
      LoginRequestSchema,
      create(LoginRequestSchema, {
        appId: "\u0430pp",
        clientKey: "\u202e",
        credential: { case: "bareId", value: { userId: "x" } },
      }),
    );
    const answer = await wires.connect({
      url: server.url,
      method: "parley.v1.AuthService/Login",
      codec: "proto",
      body,
    });
    expect(["unauthenticated", "invalid_argument"]).toContain(answer.code);
  });
});
