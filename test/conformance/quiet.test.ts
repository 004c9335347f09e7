import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { envelope, envelopes } from "../support/envelopes.js";
import { eventually, newUser, startTestServer, type TestServer, type TestUser } from "../support/index.js";
import { bearer, loadGrpc, subscribeGrpc, textOf } from "./grpc.js";
import { buf, indentedValues, installed, start } from "./programs.js";
import { generatePython, type PythonLine, pythonInstalled, startPython } from "./python.js";

const QUIET_MS = 180_000;
const HEARTBEAT_MS = 20_000;

/** What a held stream has shown so far: the name of each frame, and for a message its text. */
type Seen = () => string[];

let server: TestServer;
let tom: TestUser;
const stops: (() => unknown)[] = [];
const atEnd = (stop: () => unknown) => void stops.push(stop);
beforeAll(async () => {
  server = await startTestServer();
  tom = await newUser(server, "Tom");
});
afterAll(async () => {
  for (const stop of stops) await stop();
  await server.close();
});

/** Holds a stream through three quiet minutes of nothing but heartbeats, and then sends its user a message. */
async function holdQuiet(jerry: { userId: string }, seen: Seen): Promise<void> {
  await eventually(() => expect(seen()).toEqual(["started", "caughtUp"]), 20_000);
  const quietSince = performance.now();
  // The quiet ends with the first heartbeat after it; until then nothing is looked at, to cost others nothing.
  const heartbeats = await eventually(() => {
    if (performance.now() - quietSince < QUIET_MS) throw new Error("still to be quiet");
    const rest = seen().slice(2);
    expect(rest.length).toBeGreaterThanOrEqual(QUIET_MS / HEARTBEAT_MS);
    return rest;
  }, QUIET_MS + HEARTBEAT_MS);
  expect(heartbeats).toEqual(heartbeats.map(() => "heartbeat"));
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

/** Opens the streams of one user each; each answer is the user's frames as they come. */
const clients: Record<string, (jerry: TestUser) => Promise<Seen>> = {
  async "@grpc/grpc-js"(jerry) {
    const stub = (await loadGrpc()).stub(server, "parley.v1.MessageService");
    const { stream, frames } = subscribeGrpc(stub, {}, bearer(jerry.token));
    atEnd(() => stream.cancel());
    atEnd(() => stub.close());
    return () => frames.map((frame) => textOf(frame) ?? frame.frame);
  },
};
for (const protocol of ["connect", "grpc", "grpcweb"])
  clients[`buf curl --protocol ${protocol}`] = async ({ token }) => {
    const options = ["--http2-prior-knowledge", "--protocol", protocol, "-H", `authorization: Bearer ${token}`];
    const target = `${server.url}/parley.v1.MessageService/Subscribe`;
    const stream = start(buf, ["curl", ...options, "-d", "{}", target], { atEnd });
    return () => indentedValues<object>(stream.text()).map(nameOf);
  };
if (pythonInstalled)
  clients["Python with grpcio"] = async ({ userId }) => {
    const client = startPython(await generatePython(server.url), server, userId, { atEnd });
    const frames = () => client.lines<PythonLine>().filter(({ token }) => token === undefined);
    return () => frames().map(nameOf);
  };
if (installed("three quiet minutes with curl", ["curl"]))
  for (const version of ["--http1.1", "--http2-prior-knowledge"])
    clients[`curl ${version} with Connect JSON`] = async ({ token }) => {
      const headers = ["-H", "content-type: application/connect+json", "-H", `authorization: Bearer ${token}`];
      const target = `${server.url}/parley.v1.MessageService/Subscribe`;
      const args = ["-sSN", version, "--data-binary", "@-", ...headers, target];
      const stream = start("curl", args, { input: envelope("{}"), atEnd });
      return () => envelopes(stream.bytes()).map(({ data }) => nameOf(JSON.parse(data.toString())));
    };

describe("a stream held for three quiet minutes, never acknowledged, gets the next message", () => {
  const held = new Map<string, Promise<unknown>>();
  // All at once, so that the three minutes pass once.
  beforeAll(() => {
    for (const [name, open] of Object.entries(clients)) {
      const hold = async () => {
        const jerry = await newUser(server, "Jerry");
        await holdQuiet(jerry, await open(jerry));
      };
      held.set(
        name,
        hold().catch((error: unknown) => error),
      );
    }
  });

  test.each(Object.keys(clients))("%s", { timeout: QUIET_MS + 3 * HEARTBEAT_MS }, async (name) => {
    const failure = await held.get(name);
    if (failure !== undefined) throw failure;
  });
});
