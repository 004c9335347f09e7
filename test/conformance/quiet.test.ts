import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { eventually, newUser, startTestServer, type TestServer, type TestUser } from "../support/index.js";
import { bearer, loadGrpc, subscribeGrpc, textOf } from "./grpc.js";
import { buf, indentedValues, installed, start } from "./programs.js";
import { generatePython, type PythonLine, pythonInstalled, startPython } from "./python.js";
import { envelope, envelopes } from "./wire.js";

const QUIET_MS = 180_000;
const HEARTBEAT_MS = 20_000;
const curlInstalled = installed("three quiet minutes with curl", ["curl"]);

/** What a held stream has shown so far: the name of each frame, and for a message its text. */
type Seen = () => string[];

let server: TestServer;
let tom: TestUser;
beforeAll(async () => {
  server = await startTestServer();
  tom = await newUser(server, "Tom");
});
afterAll(() => server.close());

/** Holds a stream through three quiet minutes of nothing but heartbeats, and then sends its user a message. */
async function holdQuiet(jerry: { userId: string }, seen: Seen): Promise<void> {
  await eventually(() => expect(seen()).toEqual(["started", "caughtUp"]), 20_000);
  const quietSince = performance.now();
  const heartbeats = await eventually(() => {
    const rest = seen().slice(2);
    expect(rest).toEqual(rest.map(() => "heartbeat"));
    expect(performance.now() - quietSince).toBeGreaterThan(QUIET_MS);
    return rest;
  }, QUIET_MS + HEARTBEAT_MS);
  expect(heartbeats.length).toBeGreaterThanOrEqual(QUIET_MS / HEARTBEAT_MS - 1);
  await tom.rpc.message.sendMessage({
    receiver: { peer: { case: "userId", value: jerry.userId } },
    content: { content: { case: "text", value: { text: "still there?" } } },
  });
  await eventually(() => expect(seen().at(-1)).toBe("still there?"));
  expect(seen().slice(2, -1)).toEqual(
    seen()
      .slice(2, -1)
      .map(() => "heartbeat"),
  );
}

/** Names a frame as proto JSON shows it. */
function nameOf(frame: object): string {
  const { event } = frame as { event?: { messageCreated?: { message: { content: { text: { text: string } } } } } };
  return event?.messageCreated?.message.content.text.text ?? Object.keys(frame)[0] ?? "";
}

// All at once, so that the three minutes pass once.
describe.concurrent("a stream held for three quiet minutes, never acknowledged, gets the next message", {
  timeout: QUIET_MS + 3 * HEARTBEAT_MS,
}, () => {
  test("@grpc/grpc-js", async () => {
    const jerry = await newUser(server, "Jerry");
    const stub = (await loadGrpc()).stub(server, "parley.v1.MessageService");
    const { stream, frames } = subscribeGrpc(stub, {}, bearer(jerry.token));
    await holdQuiet(jerry, () => frames.map((frame) => textOf(frame) ?? frame.frame));
    stream.cancel();
    stub.close();
  });

  test.for(["connect", "grpc", "grpcweb"])("buf curl --protocol %s", async (protocol, { onTestFinished: atEnd }) => {
    const jerry = await newUser(server, "Jerry");
    const header = `authorization: Bearer ${jerry.token}`;
    const target = `${server.url}/parley.v1.MessageService/Subscribe`;
    const args = ["curl", "--http2-prior-knowledge", "--protocol", protocol, "-H", header, "-d", "{}", target];
    const stream = start(buf, args, { atEnd });
    await holdQuiet(jerry, () => indentedValues<object>(stream.text()).map(nameOf));
  });

  test.skipIf(!pythonInstalled)("Python with grpcio", async ({ onTestFinished: atEnd }) => {
    const jerry = await newUser(server, "Jerry");
    const client = startPython(await generatePython(server.url), server, jerry.userId, { atEnd });
    await holdQuiet(jerry, () =>
      client
        .lines<PythonLine>()
        .filter(({ token }) => token === undefined)
        .map(nameOf),
    );
  });

  test.skipIf(!curlInstalled).for(["--http1.1", "--http2-prior-knowledge"])(
    "curl %s with Connect JSON",
    async (version, { onTestFinished: atEnd }) => {
      const jerry = await newUser(server, "Jerry");
      const headers = ["content-type: application/connect+json", `authorization: Bearer ${jerry.token}`];
      const target = `${server.url}/parley.v1.MessageService/Subscribe`;
      const args = ["-sSN", version, "--data-binary", "@-", ...headers.flatMap((header) => ["-H", header]), target];
      const stream = start("curl", args, { input: envelope("{}"), atEnd });
      await holdQuiet(jerry, () => envelopes(stream.bytes()).map(({ data }) => nameOf(JSON.parse(data.toString()))));
    },
  );
});
