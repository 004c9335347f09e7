import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { Code } from "@connectrpc/connect";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { eventually, newUser, startTestServer, type TestServer } from "../support/index.js";
import { buf, indentedValues, output, root, run, start, temporaryFolder } from "./programs.js";

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => server.close());

/** What buf curl knows of the API it asks the server: no schema is given. */
const argsFor = (protocol: string, method: string, request: object, token?: string) => {
  const header = token === undefined ? [] : ["-H", `authorization: Bearer ${token}`];
  const target = `${server.url}/parley.v1.${method}`;
  return ["curl", "--http2-prior-knowledge", "--protocol", protocol, ...header, "-d", JSON.stringify(request), target];
};

interface BufFrame {
  started?: { sessionId: string; resumed: boolean };
  caughtUp?: { cursor: string };
  event?: { cursor: string; messageCreated?: { message: { content: { text: { text: string } } } } };
}

describe.each(["connect", "grpc", "grpcweb"])("buf curl --protocol %s, by reflection", (protocol) => {
  const call = async <T>(method: string, request: object, token?: string) =>
    JSON.parse(await output(buf, argsFor(protocol, method, request, token))) as T;

  test("unary calls: log in, befriend, send, list", async () => {
    const jerry = await newUser(server, "Jerry");
    const userId = `Tom-${jerry.userId}`;
    const login = { appId: server.appId, clientKey: server.clientKey, bareId: { userId } };
    const { sessionToken } = await call<{ sessionToken: string }>("AuthService/Login", login);
    expect(await call("FriendService/AddFriend", { user_id: jerry.userId }, sessionToken)).toMatchObject({
      friend: { userId: jerry.userId },
    });
    const request = { receiver: { userId: jerry.userId }, content: { text: { text: "hello" } } };
    const sent = await call<{ message: object }>("MessageService/SendMessage", request, sessionToken);
    const listed = await call("HistoryService/ListMessages", { peer: { userId: jerry.userId } }, sessionToken);
    expect(listed).toMatchObject({ messages: [sent.message], headSeq: 1 });
  });

  test("a failure ends it with the code and shows the detail", async () => {
    const request = { user_id: "nobody-at-all" };
    const { token } = await newUser(server);
    const failed = await run(buf, argsFor(protocol, "FriendService/AddFriend", request, token));
    expect(failed.code).toBe(Code.NotFound << 3);
    expect(JSON.parse(failed.stderr)).toMatchObject({
      code: "not_found",
      details: [{ type: expect.stringMatching(/(^|\/)parley\.v1\.ErrorDetail$/) }],
    });
  });

  test("Subscribe: the first frames at once, then a message sent meanwhile", async () => {
    const [tom, jerry] = [await newUser(server, "Tom"), await newUser(server, "Jerry")];
    const stream = start(buf, argsFor(protocol, "MessageService/Subscribe", {}, jerry.token));
    const until = (count: number) =>
      eventually(() => {
        const frames = indentedValues<BufFrame>(stream.text());
        if (frames.length >= count) return frames;
        throw new Error(`${frames.length} frames so far: ${stream.text()}${stream.stderr()}`);
      }, 10_000);
    expect(await until(2)).toMatchObject([
      { started: { sessionId: jerry.sessionId, resumed: true } },
      { caughtUp: {} },
    ]);
    await tom.rpc.message.sendMessage({
      receiver: { peer: { case: "userId", value: jerry.userId } },
      content: { content: { case: "text", value: { text: "meanwhile" } } },
    });
    const [, , last] = await until(3);
    expect(last).toMatchObject({
      event: { messageCreated: { message: { content: { text: { text: "meanwhile" } } } } },
    });
  });
});

describe("reflection and the descriptor", () => {
  const services = readdirSync(join(root, "proto/parley/v1"))
    .flatMap((file) => [...readFileSync(join(root, "proto/parley/v1", file), "utf8").matchAll(/^service (\w+)/gm)])
    .map(([, name]) => `parley.v1.${name}`);

  test("every service of the contract is listed, and reflection itself", async () => {
    const listed = (await output(buf, ["curl", "--list-services", server.url])).trim().split("\n");
    expect(listed).toEqual(expect.arrayContaining([...services, "grpc.reflection.v1.ServerReflection"]));
    const methods = (await output(buf, ["curl", "--list-methods", server.url])).trim().split("\n");
    expect(methods).toEqual(expect.arrayContaining(["parley.v1.MessageService/Subscribe"]));
  });

  test("buf build URL/descriptor.binpb reads the whole API, dependencies included", async () => {
    const cwd = temporaryFolder();
    await output(buf, ["build", `${server.url}/descriptor.binpb`, "-o", "api.binpb"], { cwd });
    const { file } = fromBinary(FileDescriptorSetSchema, readFileSync(join(cwd, "api.binpb")));
    const names = file.map(({ name }) => name);
    const ours = readdirSync(join(root, "proto/parley/v1")).map((name) => `parley/v1/${name}`);
    const theirs = ["buf/validate/validate.proto", "google/protobuf/struct.proto"];
    expect(names).toEqual(expect.arrayContaining([...ours, ...theirs]));
  });

  test("buf generate URL/descriptor.binpb with a local plugin makes an SDK", async () => {
    const cwd = temporaryFolder();
    const plugin = join(root, "node_modules/.bin/protoc-gen-es");
    writeFileSync(
      join(cwd, "buf.gen.yaml"),
      `version: v2\nplugins:\n  - local: ${plugin}\n    out: gen\n    opt: target=ts\n    include_imports: true\n`,
    );
    await output(buf, ["generate", `${server.url}/descriptor.binpb`], { cwd });
    for (const file of ["parley/v1/message_service_pb.ts", "buf/validate/validate_pb.ts"])
      expect(statSync(join(cwd, "gen", file)).size, file).toBeGreaterThan(1000);
  });
});
