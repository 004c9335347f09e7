import { connect } from "node:net";
import { create, toBinary } from "@bufbuild/protobuf";
import { MethodOptions_IdempotencyLevel as Idempotency } from "@bufbuild/protobuf/wkt";
import { SendMessageRequestSchema } from "@parley/proto/parley/v1/message_service_pb.js";
import { afterAll, beforeAll, describe, expect, it, type TestContext } from "vitest";
import { SERVICES } from "../../server/src/rpc/router.js";
import {
  type Answer,
  connectError,
  connectStream,
  type Protocol,
  protocols,
  type WireCall,
  wires,
} from "../conformance/wire.js";
import { newUser, startTestServer, type TestServer, type TestUser } from "../support/index.js";
import { textOf, toUser } from "../support/messaging.js";
import { figure } from "../support/proofs/figure.js";
import { callHeaders, connectFrames, FLAG, FRAME, frame, headerBlock, openStream, uint32 } from "./h2-frames.js";

const SEND = "parley.v1.MessageService/SendMessage";
const INFO = "parley.v1.ServerService/GetServerInfo";

let server: TestServer;
let tom: TestUser;
let jerry: TestUser;
beforeAll(async () => {
  server = await startTestServer({ times: { requestMs: 1_000, unaryMaxMs: 500 } });
  [tom, jerry] = [await newUser(server, "tom"), await newUser(server, "jerry")];
});
afterAll(() => server.close());

/** Says something in HTTP/1.1, byte by byte, and gives all that came until the server hung up. */
function talk(bytes: string): Promise<string> {
  const { hostname, port } = new URL(server.url);
  return new Promise((resolve) => {
    const socket = connect(Number(port), hostname, () => socket.write(bytes, "latin1"));
    let text = "";
    socket.setEncoding("latin1").on("data", (chunk: string) => (text += chunk));
    socket.on("error", () => undefined).on("close", () => resolve(text));
    // A server that keeps the connection has nothing more to say.
    socket.setTimeout(3_000, () => socket.destroy());
  });
}

/** The error in an answer of HTTP/1.1. */
function errorIn(text: string): Answer {
  return connectError(Number(text.slice(9, 12)), text.slice(text.indexOf("\r\n\r\n") + 4));
}

const textsOfJerry = async () => {
  const { messages } = await jerry.rpc.history.listMessages({ peer: toUser(tom.userId), pageSize: 100 });
  return messages.map(textOf);
};

describe("H14: what is no call is refused by code and detail", () => {
  const everyWay = async (
    call: Omit<WireCall, "url" | "codec" | "body">,
    ways: readonly Protocol[] = protocols,
  ): Promise<[string, Answer][]> => {
    const full = { url: server.url, codec: "json", body: "{}", ...call } as const;
    const answers: [string, Answer][] = [];
    for (const protocol of ways) answers.push([protocol, await wires[protocol](full)]);
    return [...answers, ["connect stream", await connectStream(full)]];
  };

  it.each(["parley.v1.MessageService/NoSuch", "parley.v1.NoService/SendMessage", "no.Such/Thing"])(
    "%s is UNSUPPORTED in every protocol",
    async (method) => {
      for (const [protocol, answer] of await everyWay({ method }))
        expect(answer, protocol).toMatchObject({ code: "unimplemented", reason: "UNSUPPORTED" });
    },
  );

  it("headers and URLs that are too large are TOO_LARGE in every protocol", async () => {
    const headers = Object.fromEntries(Array.from({ length: 60 }, (_, at) => [`x-${at}`, "v"]));
    const large = { code: "resource_exhausted", reason: "TOO_LARGE" };
    // HTTP/2 of Node's client resets what the other side calms down.
    // Over HTTP/2 the library refuses the stream before anybody could answer it (H5).
    for (const [protocol, answer] of await everyWay({ method: INFO, headers }, ["connect", "grpc-web"]))
      expect(answer, protocol).toMatchObject(large);
    for (const [protocol, answer] of await everyWay({ method: `${INFO}?${"x".repeat(9_000)}` }))
      expect(answer, protocol).toMatchObject(large);
    expect(errorIn(await talk(`GET / HTTP/1.1\r\nx: ${"v".repeat(20_000)}\r\n\r\n`))).toMatchObject(large);
  });

  it("a body that does not come is DEADLINE_EXCEEDED, noise is INVALID_FIELD", async () => {
    const head = `POST /${INFO} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{`;
    expect(errorIn(await talk(head))).toMatchObject({ code: "deadline_exceeded", reason: "DEADLINE_EXCEEDED" });
    expect(errorIn(await talk("\x16\x03\x01 what is this\r\n\r\n"))).toMatchObject({ reason: "INVALID_FIELD" });
    expect(errorIn(await talk("GET /no/such/page HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"))).toMatchObject({
      code: "not_found",
      reason: "NOT_FOUND",
    });
  });

  it("only what has no side effects may be called by GET, and nothing by other methods", async (context: TestContext) => {
    let refused = 0;
    for (const service of SERVICES)
      for (const method of service.methods) {
        const url = `${server.url}/${service.typeName}/${method.name}`;
        const query = "?connect=v1&encoding=json&message=%7B%7D";
        const status = async (verb: string) => (await fetch(url + query, { method: verb })).status;
        if (method.idempotency === Idempotency.NO_SIDE_EFFECTS) expect(await status("GET"), url).not.toBe(405);
        else {
          expect(await status("GET"), url).toBe(405);
          refused += 1;
        }
        for (const verb of ["PUT", "DELETE", "PATCH"]) {
          expect(await status(verb), `${verb} ${url}`).toBe(405);
          refused += 1;
        }
      }
    figure(context, `${refused} calls by a wrong method refused`);
  });
});

describe("H14: nothing is smuggled", () => {
  const inner = (name: string) => {
    const body = JSON.stringify({
      receiver: { userId: jerry.userId },
      content: { text: { text: `smuggled ${name}` } },
    });
    return `POST /${SEND} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${tom.token}\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
  };
  /** Two readings of where a request ends: those who see the first end see one call more. */
  const doubts: Readonly<Record<string, (hidden: string) => [headers: string, body: string]>> = {
    "length and chunks": (hidden) => ["content-length: 5\r\ntransfer-encoding: chunked", `0\r\n\r\n${hidden}`],
    "chunks and length": (hidden) => ["transfer-encoding: chunked\r\ncontent-length: 5", `0\r\n\r\n${hidden}`],
    "two lengths": (hidden) => [`content-length: 2\r\ncontent-length: ${hidden.length}`, `{}${hidden}`],
    "a list of lengths": (hidden) => ["content-length: 2, 2", `{}${hidden}`],
    "a length with a sign": (hidden) => ["content-length: +2", `{}${hidden}`],
    "a blank before the colon": (hidden) => ["transfer-encoding : chunked", `0\r\n\r\n${hidden}`],
    "chunks that are not the last coding": (hidden) => ["transfer-encoding: chunked, identity", `0\r\n\r\n${hidden}`],
    "a coding that is nearly chunks": (hidden) => ["transfer-encoding: xchunked", `0\r\n\r\n${hidden}`],
    "a folded line": (hidden) => ["transfer-encoding:\r\n chunked\r\ncontent-length: 5", `0\r\n\r\n${hidden}`],
    "a line that ends in LF alone": (hidden) => ["x: y\ntransfer-encoding: chunked", `0\r\n\r\n${hidden}`],
    "a chunk with a size of noise": (hidden) => ["transfer-encoding: chunked", `0x0\r\n\r\n${hidden}`],
    "a chunk longer than it says": (hidden) => ["transfer-encoding: chunked", `1\r\n{}\r\n0\r\n\r\n${hidden}`],
    "NUL in a header": (hidden) => ["x: a\0b\r\ncontent-length: 2", `{}${hidden}`],
  };

  it("by HTTP/1.1", async (context: TestContext) => {
    for (const [name, doubt] of Object.entries(doubts)) {
      const [headers, body] = doubt(inner(name));
      const text = await talk(
        `POST /${INFO} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n${headers}\r\n\r\n${body}`,
      );
      expect(text, name).toMatch(/^(HTTP\/1\.1 (4\d\d|501) |$)/);
      expect(text.match(/HTTP\/1\.1 /g)?.length ?? 0, name).toBeLessThanOrEqual(1);
    }
    expect(await textsOfJerry()).toEqual([]);
    figure(context, `${Object.keys(doubts).length} requests of doubtful length, 0 calls smuggled`);
  });

  it("by trailers of HTTP/2: they are no headers", async () => {
    const attacker = await connectFrames(server.url);
    const body = Buffer.from(
      JSON.stringify({ receiver: { userId: jerry.userId }, content: { text: { text: "by trailers" } } }),
    );
    const trailers = headerBlock([["authorization", `Bearer ${tom.token}`]]);
    attacker.socket.write(
      Buffer.concat([
        openStream(1, callHeaders(`/${SEND}`)),
        frame(FRAME.data, 0, 1, body),
        frame(FRAME.headers, FLAG.endHeaders | FLAG.endStream, 1, trailers),
      ]),
    );
    expect(await attacker.answeredOk(1)).toBe(false);
    attacker.socket.destroy();
    expect(await textsOfJerry()).toEqual([]);
  });

  it("by a Host of another's choice: it comes back in no answer", async () => {
    for (const path of [
      "/",
      `/${INFO}`,
      "/no/such",
      "/descriptor.binpb",
      `/${INFO}?connect=v1&encoding=json&message=%7B%7D`,
    ])
      for (const host of ["evil.example", "evil.example:80@x", "evil.example:99999", "", "[::1"]) {
        const text = await talk(
          `GET ${path} HTTP/1.1\r\nhost: ${host}\r\nx-forwarded-host: evil.example\r\nconnection: close\r\n\r\n`,
        );
        expect(text, `${path} ${host}`).not.toContain("evil.example");
        expect(text, `${path} ${host}`).toMatch(/^HTTP\/1\.1 [234]/);
      }
  });
});

describe.each([
  ["the shorter path", true],
  ["Connect alone", false],
])("H14: a request that is cut, on %s", (_, fastUnary) => {
  it("is not executed, though what came of it is a whole message", async () => {
    const other = await startTestServer({ fastUnary });
    try {
      const [from, to] = [await newUser(other, "from"), await newUser(other, "to")];
      const content = { content: { case: "text" as const, value: { text: "half" } } };
      const whole = toBinary(
        SendMessageRequestSchema,
        create(SendMessageRequestSchema, { receiver: { peer: { case: "userId", value: to.userId } }, content }),
      );
      const headers = { "content-type": "application/proto", authorization: `Bearer ${from.token}` };
      for (const code of [0, 8]) {
        const client = await connectFrames(other.url);
        client.socket.write(
          Buffer.concat([openStream(1, callHeaders(`/${SEND}`, headers)), frame(FRAME.data, 0, 1, whole)]),
        );
        // What is reset in the same breath is never seen: it must have come before.
        await client.roundTrip();
        client.socket.write(frame(FRAME.rstStream, 0, 1, uint32(code)));
        // A request after it on the same connection is answered after it was dealt with.
        client.socket.write(openStream(3, callHeaders(`/${INFO}`, { "content-type": "application/proto" })));
        client.socket.write(frame(FRAME.data, FLAG.endStream, 3));
        expect(await client.answeredOk(3)).toBe(true);
        client.socket.destroy();
      }
      const { hostname, port } = new URL(other.url);
      await new Promise<void>((resolve) => {
        const socket = connect(Number(port), hostname, () => {
          const lines = Object.entries({ ...headers, host: "x", "content-length": whole.length + 9 });
          const head = lines.map(([name, value]) => `${name}: ${value}\r\n`).join("");
          socket.write(Buffer.concat([Buffer.from(`POST /${SEND} HTTP/1.1\r\n${head}\r\n`), whole]));
          socket.end();
        });
        socket
          .resume()
          .on("close", () => resolve())
          .on("error", () => resolve());
      });
      await from.rpc.message.sendMessage({
        receiver: toUser(to.userId),
        content: { content: { case: "text", value: { text: "whole" } } },
      });
      const { messages } = await to.rpc.history.listMessages({ peer: toUser(from.userId) });
      expect(messages.map(textOf)).toEqual(["whole"]);
    } finally {
      await other.close();
    }
  });
});

describe("H15: deadlines", () => {
  const wait = (headers: Record<string, string>, protocol: "connect" | "grpc" | "grpc-web") =>
    wires[protocol]({
      url: server.url,
      method: "parley.v1.MessageService/ListEvents",
      codec: "json",
      body: JSON.stringify({ cursor, wait: "25s" }),
      headers: { authorization: `Bearer ${tom.token}`, ...headers },
    });
  let cursor: string;
  beforeAll(async () => {
    cursor = (await tom.rpc.message.listEvents({})).cursor;
  });

  // The bound of this server is half a second, the wait asked for is 25.
  it.each(["99999999H", "99999999S", "1H"])(
    "of %s: a call ends at the server's own bound all the same",
    async (value) => {
      for (const protocol of ["grpc", "grpc-web"] as const) {
        const began = performance.now();
        expect(["ok", "deadline_exceeded"]).toContain((await wait({ "grpc-timeout": value }, protocol)).code);
        expect(performance.now() - began).toBeLessThan(10_000);
      }
    },
  );

  it.each(["9999999999", "0"])("of %s ms: likewise", async (value) => {
    const began = performance.now();
    expect(["ok", "deadline_exceeded"]).toContain((await wait({ "connect-timeout-ms": value }, "connect")).code);
    expect(performance.now() - began).toBeLessThan(10_000);
  });

  it.each(["-1S", "1", "1x", "999999999S", "soon", "1e9S"])("of %j: refused", async (value) => {
    for (const protocol of ["grpc", "grpc-web"] as const)
      expect((await wait({ "grpc-timeout": value }, protocol)).code, protocol).toBe("invalid_argument");
  });
});

describe("H16: a page of another origin", () => {
  it("gets no leave and no cookie from any path, however it asks", async () => {
    const calls: [string, RequestInit][] = [
      ["/", {}],
      ["/healthz", {}],
      ["/metrics", {}],
      ["/descriptor.binpb", {}],
      ["/no/such", {}],
      [`/${INFO}`, { method: "POST", headers: { "content-type": "application/json" }, body: "{}" }],
      [`/${SEND}`, { method: "OPTIONS", headers: { "access-control-request-method": "POST" } }],
      [
        "/parley.v1.AuthService/Login",
        {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: JSON.stringify({ appId: server.appId, clientKey: server.clientKey, bareId: { userId: "tom" } }),
        },
      ],
    ];
    for (const [path, init] of calls)
      for (const origin of ["https://evil.example", "null", server.url, "http://localhost"]) {
        const headers = { ...init.headers, origin, cookie: "session=1" };
        const answer = await fetch(server.url + path, { ...init, headers });
        const names = [...answer.headers.keys()];
        expect(
          names.filter((name) => name.startsWith("access-control-")),
          `${path} ${origin}`,
        ).toEqual([]);
        expect(names, path).not.toContain("set-cookie");
        await answer.arrayBuffer();
      }
  });

  it("a token in a cookie is none", async () => {
    const answer = await wires.connect({
      url: server.url,
      method: "parley.v1.AuthService/ListSessions",
      codec: "json",
      body: "{}",
      headers: { cookie: `authorization=Bearer ${tom.token}; token=${tom.token}` },
    });
    expect(answer).toMatchObject({ code: "unauthenticated" });
  });
});
