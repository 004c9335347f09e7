import { once } from "node:events";
import net from "node:net";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { eventually, newUser, startTestServer, type TestServer } from "../support/index.js";
import { generatePython, isLive, type PythonLine, pythonInstalled, startPython, textsOf } from "./python.js";

describe.skipIf(!pythonInstalled)("Python with grpcio", () => {
  let server: TestServer;
  let folder: string;
  beforeAll(async () => {
    server = await startTestServer();
    folder = await generatePython(server.url);
  });
  afterAll(() => server.close());

  const send = async (from: Awaited<ReturnType<typeof newUser>>, userId: string, text: string) =>
    await from.rpc.message.sendMessage({
      receiver: { peer: { case: "userId", value: userId } },
      content: { content: { case: "text", value: { text } } },
      clientMessageId: text.replaceAll(" ", "-"),
    });

  test("two users log in, befriend, send, list and receive", async () => {
    const [tomId, jerryId] = [(await newUser(server, "Tom")).userId, (await newUser(server, "Jerry")).userId];
    const [tom, jerry] = [startPython(folder, server, tomId), startPython(folder, server, jerryId)];
    await Promise.all([tom.until<PythonLine>(isLive), jerry.until<PythonLine>(isLive)]);
    tom.write(`add ${jerryId}`);
    await tom.until<PythonLine>((lines) => lines.some(({ friend }) => friend?.userId === jerryId));
    tom.write(`send ${jerryId} hello`);
    tom.write(`send ${jerryId} who is there? 🐭`);
    const lines = await jerry.until<PythonLine>((got) => textsOf(got).length === 2);
    expect(textsOf(lines)).toEqual(["hello", "who is there? 🐭"]);
    expect(lines.some(({ event }) => event?.friendChanged?.userId === tomId)).toBe(true);
    jerry.write(`history ${tomId}`);
    const history = await jerry.until<PythonLine>((got) => got.some(({ messages }) => messages !== undefined));
    expect(history.flatMap(({ messages }) => messages ?? []).map(({ seq }) => seq)).toEqual([1, 2]);
    jerry.write("send nobody-at-all hello");
    await jerry.until<PythonLine>((got) => got.some(({ error }) => error === "NOT_FOUND"));
  });

  test("a send whose answer got lost is repeated and stored once", async () => {
    const [tom, jerry] = [await newUser(server, "Tom"), await newUser(server, "Jerry")];
    const proxy = await deafProxy(server.url);
    const client = startPython(folder, server, tom.userId, { url: proxy.url });
    await client.until<PythonLine>(isLive);
    const stored = async () => {
      const peer = { peer: { case: "userId", value: tom.userId } } as const;
      return (await jerry.rpc.history.listMessages({ peer })).messages;
    };
    proxy.dropAnswers();
    client.write(`send ${jerry.userId} once`);
    await eventually(async () => expect(await stored()).toHaveLength(1));
    proxy.cut();
    const lines = await client.until<PythonLine>((got) => got.some(({ message }) => message !== undefined), 30_000);
    const answers = lines.filter(({ message }) => message !== undefined);
    expect(answers).toMatchObject([{ deduplicated: true, message: { seq: 1 } }]);
    expect((await stored()).map(({ messageId }) => messageId)).toEqual(
      answers.map(({ message }) => message?.messageId),
    );
  });

  test("after a restart of the server on its port, and of the client, exactly what was missed comes", async () => {
    const first = await startTestServer();
    const port = Number(new URL(first.url).port);
    // A restart cuts the sender's idle connection too; its message may go again, as it has an id.
    const deliver = (text: string) => eventually(() => send(tom, jerry.userId, text));
    const restart = () => startTestServer({ settings: { dataDir: first.dataDir, port } });
    const [tom, jerry] = [await newUser(first, "Tom"), await newUser(first, "Jerry")];
    const client = startPython(folder, first, jerry.userId);
    await client.until<PythonLine>(isLive);
    await deliver("before");
    await client.until<PythonLine>((lines) => textsOf(lines).length === 1);

    await first.running.close();
    const second = await restart();
    for (const text of ["missed 1", "missed 2", "missed 3"]) await deliver(text);
    const seen = ["before", "missed 1", "missed 2", "missed 3"];
    const lines = await client.until<PythonLine>((got) => textsOf(got).length >= seen.length, 30_000);
    expect(textsOf(lines)).toEqual(seen);
    expect(lines.filter(({ started }) => started !== undefined)).toMatchObject([{}, { started: { resumed: true } }]);

    await client.stop("SIGKILL");
    const cursor = lines.findLast(({ event }) => event?.messageCreated !== undefined)?.event?.cursor ?? "";
    await deliver("missed 4");
    await second.running.close();
    const third = await restart();
    onTestFinished(() => third.close());
    await deliver("missed 5");
    const token = lines.find((line) => line.token !== undefined)?.token ?? "";
    const again = startPython(folder, first, jerry.userId, { cursor, token });
    await deliver("after");
    const rest = await again.until<PythonLine>((got) => textsOf(got).includes("after") && isLive(got), 30_000);
    expect(textsOf(rest)).toEqual(["missed 4", "missed 5", "after"]);
  });
});

/** A proxy that can lose what the server answers, and then the connection. */
async function deafProxy(target: string) {
  const { hostname, port } = new URL(target);
  const sockets = new Set<net.Socket>();
  let dropping = false;
  const proxy = net.createServer((near) => {
    const far = net.connect(Number(port), hostname);
    near.on("data", (chunk) => far.write(chunk));
    far.on("data", (chunk) => void (dropping || near.write(chunk)));
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(one);
      one.on("error", () => undefined).on("close", () => other.destroy());
    }
  });
  await once(proxy.listen(0, "127.0.0.1"), "listening");
  const cut = () => {
    dropping = false;
    for (const socket of sockets) socket.destroy();
    sockets.clear();
  };
  onTestFinished(() => {
    cut();
    proxy.close();
  });
  return {
    url: `http://127.0.0.1:${(proxy.address() as net.AddressInfo).port}`,
    dropAnswers() {
      dropping = true;
    },
    cut,
  };
}
