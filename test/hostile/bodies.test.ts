import { once } from "node:events";
import http from "node:http";
import { connect } from "node:net";
import { gzipSync } from "node:zlib";
import { create, createFileRegistry, type DescMethod, fromBinary, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { SendMessageRequestSchema } from "@parley/proto/parley/v1/message_service_pb.js";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { type ServerProcess, startProcess } from "../conformance/process.js";
import {
  type Answer,
  type Codec,
  connectStream,
  type Protocol,
  protocols,
  type WireCall,
  wires,
} from "../conformance/wire.js";
import { envelope } from "../support/envelopes.js";
import { type Address, newUser, startTestServer } from "../support/index.js";
import { TIER_2 } from "../support/proofs/tier.js";
import { Findings, lengthDelimited, poison, postWith, stringFieldOf, withBadText } from "./malformed.js";

const MIB = 1024 * 1024;
const listed = "https://chat.example.org";
const operatorToken = "an-operator-token-of-the-tests";

/** The server under attack. */
interface Victim extends Address {
  stop(): Promise<void>;
  /** What it logged, and whether it lives; a server in this process lives as long as the test. */
  program?: ServerProcess["program"];
}

/** The program itself, which serves plain unary calls by a path of its own. */
const startProgram = (): Promise<Victim> =>
  startProcess({ PARLEY_CORS_ORIGINS: listed, PARLEY_OPERATOR_TOKEN: operatorToken });

/** A server that leaves all calls to Connect. */
async function startConnectOnly(): Promise<Victim> {
  const server = await startTestServer({ fastUnary: false, settings: { corsOrigins: [listed], operatorToken } });
  return { ...server, stop: () => server.close() };
}

describe.each([
  ["the program", startProgram, protocols],
  // The other protocols take the same way in both.
  ["a server of Connect alone", startConnectOnly, ["connect"] as const],
])("hostile input to %s", (_, startVictim, protocols) => {
  let server: Victim;
  let methods: DescMethod[];
  let token: string;
  let receiver: string;
  const unexpected = new Findings();
  beforeAll(async () => {
    server = await startVictim();
    const descriptor = new Uint8Array(await (await fetch(`${server.url}/descriptor.binpb`)).arrayBuffer());
    const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, descriptor));
    methods = [...registry].flatMap((each) =>
      each.kind === "service" && each.typeName.startsWith("parley.v1.") ? each.methods : [],
    );
    expect(methods.length).toBeGreaterThan(50);
    token = (await newUser(server, "Mallory")).token;
    receiver = (await newUser(server, "Jerry")).userId;
  });
  afterAll(() => server.stop());

  /** Makes a call as one who may, and remembers every answer that no input should get. */
  const ask = async (protocol: Protocol | "connect stream", call: Omit<WireCall, "url">): Promise<Answer> => {
    const service = call.method.split("/")[0] ?? "";
    const tokens = { "parley.v1.AdminService": server.serviceKey, "parley.v1.OperatorService": operatorToken };
    const authorization = `Bearer ${tokens[service as keyof typeof tokens] ?? token}`;
    const full = { url: server.url, ...call, headers: { authorization, ...call.headers } };
    const got = await (protocol === "connect stream" ? connectStream(full) : wires[protocol](full));
    if (["internal", "unknown", "data_loss"].includes(got.code) || /^HTTP (5|0)/.test(got.code))
      unexpected.add(`${protocol} ${call.method}`, got);
    return got;
  };
  const send = "parley.v1.MessageService/SendMessage";
  const info = "parley.v1.ServerService/GetServerInfo";
  const message = (more: object = {}) => ({
    receiver: { user_id: receiver },
    content: { text: { text: "x" } },
    ...more,
  });
  const withBytes = (field: number, bytes: Uint8Array) => {
    const content = { content: { case: "text" as const, value: { text: "x" } } };
    const valid = create(SendMessageRequestSchema, {
      receiver: { peer: { case: "userId", value: receiver } },
      content,
    });
    return Buffer.concat([toBinary(SendMessageRequestSchema, valid), lengthDelimited(field, bytes)]);
  };

  const streamProtocols = protocols.map((each) => (each === "connect" ? "connect stream" : each));
  const enveloped = streamProtocols.filter((each) => each !== "connect stream");

  /** The protocols that a method can be called by. */
  const waysOf = (method: DescMethod): readonly (Protocol | "connect stream")[] =>
    method.methodKind === "unary" ? protocols : streamProtocols;

  let round = 0;
  /** Sends something to every method by every protocol, and lists the answers other than invalid_argument with its detail. */
  const allRefuse = async (codec: Codec, bodyOf: (method: DescMethod) => Uint8Array | string | undefined) => {
    const others = new Findings();
    round += 1;
    for (const [at, method] of methods.entries()) {
      const body = bodyOf(method);
      if (body === undefined) continue;
      const name = `${method.parent.typeName}/${method.name}`;
      const ways = waysOf(method);
      // In the first tier the protocols take turns: each method is tried by each, but not with each body.
      for (const protocol of TIER_2 ? ways : [ways[(at + round) % ways.length] ?? "grpc"]) {
        const got = await ask(protocol, { method: name, codec, body });
        if (got.code !== "invalid_argument" || got.reason !== "INVALID_FIELD") others.add(`${protocol} ${name}`, got);
      }
    }
    expect(others.lines()).toEqual([]);
  };

  describe("H9: every method refuses with invalid_argument", () => {
    test.each<[string, (method: DescMethod) => Uint8Array | undefined]>([
      ["a truncated message", () => Uint8Array.of(0x0a, 0x05, 0x41)],
      ["a number without an end", () => Uint8Array.of(0x08, ...Array<number>(11).fill(0xff))],
      ["a field of number 0", () => Uint8Array.of(0x00, 0x00)],
      ["the end of no group", () => Uint8Array.of(0x7c)],
      ["a thousand groups in each other", () => new Uint8Array(1_000).fill(0x7b)],
      ["a string that is not UTF-8", ({ input }) => withBadText(input)],
    ])("%s", async (_name, bodyOf) => {
      await allRefuse("proto", bodyOf);
    });

    test.each<[string, (method: DescMethod) => Uint8Array | string | undefined]>([
      ["half an object", () => "{"],
      ["a list", () => "[]"],
      ["no JSON at all", () => "nonsense"],
      ["a thousand open brackets", () => "[".repeat(1_000)],
      ["a thousand open objects", () => '{"a":'.repeat(1_000)],
      ["JSON that is not UTF-8", () => Buffer.from('{"unknown":"\xff\xfe"}', "latin1")],
      ["a number for a string", ({ input }) => stringFieldOf(input) && `{"${stringFieldOf(input)?.jsonName}":5}`],
    ])("%s", async (_name, bodyOf) => {
      await allRefuse("json", bodyOf);
    });
  });

  test("H10: free data nested too deep is invalid_argument in both codecs", async () => {
    for (const depth of [1_000, 20_000]) {
      let bytes: Uint8Array = new Uint8Array();
      for (let level = 0; level < Math.min(depth, 1_000); level++)
        bytes = lengthDelimited(
          1,
          Buffer.concat([lengthDelimited(1, Buffer.from("a")), lengthDelimited(2, lengthDelimited(5, bytes))]),
        );
      const json = JSON.stringify(message({ attributes: "@" })).replace(
        '"@"',
        `${'{"a":'.repeat(depth)}1${"}".repeat(depth)}`,
      );
      for (const protocol of protocols) {
        expect(
          await ask(protocol, { method: send, codec: "proto", body: withBytes(5, bytes) }),
          protocol,
        ).toMatchObject({
          code: "invalid_argument",
        });
        expect(await ask(protocol, { method: send, codec: "json", body: json }), protocol).toMatchObject({
          code: "invalid_argument",
        });
      }
    }
  });

  test("H11: a NUL in any string is invalid_argument and names the field", async () => {
    const media = { attachment_id: "a", url: "https://x", thumbnail_url: "https://x", file_name: "f", mime_type: "m" };
    const data = { key: ["value", { deep: "value" }] };
    const push = { title: "t", prefix: "p", suffix: "s", body_override: "b", sound: "s", collapse_key: "c" };
    const app = { app_id: server.appId, client_key: server.clientKey };
    const requests: [string, object][] = [
      [
        send,
        message({ remark: "r", attributes: data, client_message_id: "c", mentions: { user_ids: [receiver] }, push }),
      ],
      [send, message({ content: { image: media } })],
      [send, message({ content: { custom: { type: "t", data, fallback_text: "f" } } })],
      [send, message({ content: { location: { name: "n" } } })],
      ["parley.v1.MessageService/SendMessages", { requests: [message(), message({ remark: "r" })] }],
      ["parley.v1.MessageService/ListEvents", { cursor: "c" }],
      ["parley.v1.MessageService/AckEvents", { cursor: "c" }],
      ["parley.v1.AuthService/CreateAccount", { ...app, username: "u", password: "p", display_name: "d" }],
      ["parley.v1.AuthService/Login", { ...app, password: { username: "u", password: "p" } }],
      ["parley.v1.AuthService/Login", { ...app, guest: { user_id: "g", attributes: data } }],
      ["parley.v1.FriendService/AddFriend", { user_id: receiver, greeting: "g" }],
      ["parley.v1.FriendService/ListFriends", { page_token: "p" }],
      [
        "parley.v1.GroupService/CreateGroup",
        { name: "n", member_user_ids: [receiver], attributes: data, request_id: "r" },
      ],
      [
        "parley.v1.RoomService/CreateRoom",
        { name: "n", member_user_ids: [receiver], attributes: data, request_id: "r" },
      ],
      ["parley.v1.UserService/UpdateUser", { display_name: "d", avatar_url: "https://x", attributes: data }],
      ["parley.v1.AdminService/BatchUpsertUsers", { users: [{ user_id: "u", display_name: "d", attributes: data }] }],
      ["parley.v1.OperatorService/CreateApp", { name: "n" }],
    ];
    const others = new Findings();
    for (const [method, request] of requests)
      for (const [path, poisoned] of poison(request))
        for (const protocol of protocols) {
          const got = await ask(protocol, { method, codec: "json", body: JSON.stringify(poisoned) });
          if (got.code !== "invalid_argument" || got.reason !== "INVALID_FIELD" || got.field !== path)
            others.add(`${protocol} ${method} ${path}`, got);
        }
    const subscribe = {
      method: "parley.v1.MessageService/Subscribe",
      codec: "json",
      body: '{"cursor":"c\\u0000"}',
    } as const;
    for (const protocol of streamProtocols)
      expect(await ask(protocol, subscribe)).toMatchObject({ code: "invalid_argument", field: "cursor" });
    expect(others.lines()).toEqual([]);
  });

  test("H9: fields nobody knows are ignored", async () => {
    const unknown = message({ no_such_field: { a: [1, "2", null] }, another: "x" });
    for (const protocol of protocols) {
      expect(await ask(protocol, { method: send, codec: "json", body: JSON.stringify(unknown) })).toMatchObject({
        code: "ok",
      });
      const body = withBytes(9_999, Buffer.from("whatever"));
      expect(await ask(protocol, { method: send, codec: "proto", body })).toMatchObject({ code: "ok" });
    }
  });

  describe("H13: size", () => {
    const padded = (size: number) => lengthDelimited(9_999, Buffer.alloc(size - 6));

    test.each(protocols)("%s: 1 MiB is read, one byte more is resource_exhausted", async (protocol) => {
      expect(padded(MIB)).toHaveLength(MIB);
      expect(await ask(protocol, { method: info, codec: "proto", body: padded(MIB) })).toMatchObject({ code: "ok" });
      const over = await ask(protocol, { method: info, codec: "proto", body: padded(MIB + 1) });
      expect(over).toMatchObject({ code: "resource_exhausted", reason: "TOO_LARGE" });
    });

    test.each(["application/json", "application/grpc-web+proto", "application/connect+json"])(
      "%s over HTTP/1.1: the request after an oversized one is answered, on its connection or a new one",
      async (type) => {
        const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
        onTestFinished(() => agent.destroy());
        const path = type.includes("connect") ? "parley.v1.MessageService/Subscribe" : info;
        await postWith(agent, `${server.url}/${path}`, type, envelope(Buffer.alloc(2 * MIB)));
        expect(await postWith(agent, `${server.url}/${info}`, "application/json", Buffer.from("{}"))).toBe(200);
      },
    );

    test("a body of unknown length is counted as it comes", async () => {
      const chunks = [Buffer.alloc(MIB, " "), Buffer.from("{}")];
      const body = new ReadableStream({
        pull: (stream) => {
          const chunk = chunks.shift();
          if (chunk === undefined) stream.close();
          else stream.enqueue(new Uint8Array(chunk));
        },
      });
      const headers = { "content-type": "application/json" };
      const request = { method: "POST", headers, body, duplex: "half" };
      const response = await fetch(`${server.url}/${info}`, request as RequestInit);
      expect(response.status).toBe(429);
      expect(await response.json()).toMatchObject({ code: "resource_exhausted" });
    });

    test.each(protocols)("H8: %s: a gzip bomb is resource_exhausted", async (protocol) => {
      const bomb = gzipSync(Buffer.alloc(64 * MIB));
      const connect = protocol === "connect";
      const body = connect ? bomb : envelope(bomb, 1);
      const headers: Record<string, string> = { [connect ? "content-encoding" : "grpc-encoding"]: "gzip" };
      const began = performance.now();
      const got = await ask(protocol, { method: info, codec: "proto", body, raw: true, headers });
      expect(got).toMatchObject({ code: "resource_exhausted", reason: "TOO_LARGE" });
      expect(performance.now() - began).toBeLessThan(1_000);
    });
  });

  describe("H9: envelopes", () => {
    const bodies: [string, Uint8Array, string][] = [
      ["promise more than they hold", envelope("{}").subarray(0, 6), "invalid_argument"],
      ["are cut in their head", envelope("{}").subarray(0, 3), "invalid_argument"],
      ["are followed by a rest", Buffer.concat([envelope("{}"), Buffer.from("xx")]), "invalid_argument"],
      ["promise 4 GiB", Buffer.from([0, 0xff, 0xff, 0xff, 0xff, 1]), "resource_exhausted"],
      ["are two for one call", Buffer.concat([envelope("{}"), envelope("{}")]), "unimplemented"],
      ["are none", Buffer.alloc(0), "unimplemented"],
    ];
    test.each(bodies)("that %s", async (_name, body, code) => {
      for (const protocol of enveloped)
        expect(await ask(protocol, { method: info, codec: "json", body, raw: true }), protocol).toMatchObject({ code });
      const method = "parley.v1.MessageService/Subscribe";
      const stream = await ask("connect stream", { method, codec: "json", body, raw: true });
      expect(stream, "connect stream").toMatchObject({ code });
    });
  });

  describe("headers", () => {
    const post = (headers: Record<string, string>, body = "{}") =>
      fetch(`${server.url}/${info}`, { method: "POST", headers, body: new TextEncoder().encode(body) });

    test("H14: a wrong or missing content type is 415", async () => {
      for (const type of ["text/plain", "application/xml", "application/", "application/jsonx", "multipart/form-data"])
        expect((await post({ "content-type": type })).status, type).toBe(415);
      expect((await post({})).status).toBe(415);
    });

    test("H14: a content encoding or protocol version nobody knows is refused", async () => {
      const json = { "content-type": "application/json" };
      expect(await (await post({ ...json, "content-encoding": "rot13" })).json()).toMatchObject({
        code: "unimplemented",
      });
      expect(await (await post({ ...json, "connect-protocol-version": "99" })).json()).toMatchObject({
        code: "invalid_argument",
      });
    });

    test.each(["-1", "soon", "1e15", "99999999999"])("H15: a time-out of %s is invalid_argument", async (timeout) => {
      const answer = await post({ "content-type": "application/json", "connect-timeout-ms": timeout });
      expect(await answer.json()).toMatchObject({ code: "invalid_argument" });
    });

    test.each([
      "message=%7B",
      "message=%ff&encoding=proto",
      "encoding=json&base64=1&message=***",
      "encoding=none&message=",
      "",
    ])("H14: GET with ?%s is refused as the caller's fault", async (query) => {
      const { status } = await fetch(`${server.url}/${info}?connect=v1&${query}`);
      expect([400, 415]).toContain(status);
    });

    test("H16: a preflight tells a listed origin its rights and another nothing", async () => {
      const preflight = (origin: string) => {
        const asked = { "access-control-request-method": "POST", "access-control-request-headers": "authorization" };
        return fetch(`${server.url}/${send}`, { method: "OPTIONS", headers: { origin, ...asked } });
      };
      const allowed = (await preflight(listed)).headers;
      expect(allowed.get("access-control-allow-origin")).toBe(listed);
      expect(allowed.get("access-control-allow-methods")).toContain("POST");
      expect(allowed.get("access-control-allow-headers")?.toLowerCase()).toMatch(
        /authorization.*|.*connect-protocol-version/,
      );
      expect(allowed.has("access-control-allow-credentials")).toBe(false);
      for (const origin of ["https://evil.example", "null", `${listed}.evil.example`]) {
        const names = [...(await preflight(origin)).headers.keys()];
        expect(
          names.filter((name) => name.startsWith("access-control-")),
          origin,
        ).toEqual([]);
      }
    });

    test("H16: a service key is refused with an Origin header, even a listed one", async () => {
      const method = "parley.v1.AdminService/GetSettings";
      for (const protocol of protocols) {
        expect(await ask(protocol, { method, codec: "json", body: "{}" }), protocol).toMatchObject({ code: "ok" });
        for (const origin of [listed, "https://evil.example"])
          expect(
            await ask(protocol, { method, codec: "json", body: "{}", headers: { origin } }),
            protocol,
          ).toMatchObject({
            code: "unauthenticated",
            reason: "UNAUTHENTICATED",
          });
      }
    });
  });

  test("H9: after all that, nothing was internal and the same process still serves", async () => {
    expect(unexpected.lines()).toEqual([]);
    expect(server.program?.running() ?? true).toBe(true);
    expect(server.program?.stderr() ?? "").not.toMatch(/"level":"(error|fatal)"/);
    expect(await ask("connect", { method: send, codec: "json", body: JSON.stringify(message()) })).toMatchObject({
      code: "ok",
    });
  });

  if (startVictim !== startProgram) return;

  test("H9: told to end, it does not wait for a body that was left half sent", async () => {
    const { hostname, port } = new URL(server.url);
    const client = connect(Number(port), hostname);
    client.write("POST /nowhere HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\nhalf");
    await once(client, "data");
    client.destroy();
    const began = performance.now();
    await server.stop();
    expect(performance.now() - began).toBeLessThan(10_000);
  });
});
