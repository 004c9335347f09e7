import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  anonymous,
  eventually,
  login,
  newUser,
  openStream,
  refusal,
  startTestServer,
  subscribe,
  type TestServer,
  type TestUser,
} from "../support/index.js";
import { send, toUser } from "../support/messaging.js";

let server: TestServer;
let tom: TestUser;
beforeAll(async () => {
  server = await startTestServer({
    limits: { eventLoopBusyMs: 100, eventLoopFloodedMs: 600, letInPerSecond: 0 },
    times: { loadWindowMs: 400 },
  });
  tom = await newUser(server, "tom");
});
afterAll(() => server.close());

/** Holds the event loop up, again and again, until told to stop. */
function holdUp(ms: number): { stop(): void } {
  const never = new Int32Array(new SharedArrayBuffer(4));
  const timer = setInterval(() => void Atomics.wait(never, 0, 0, ms), 1);
  return { stop: () => clearInterval(timer) };
}

const ready = async () => await (await fetch(`${server.url}/readyz`)).text();
const loggingIn = () =>
  anonymous(server).auth.login({
    appId: server.appId,
    clientKey: server.clientKey,
    credential: { case: "bareId", value: { userId: "late" } },
  });
const streaming = async () => {
  const stream = openStream(tom);
  const error = await stream.ended;
  if (error !== undefined) throw error;
};

describe("a server that is behind its work", () => {
  test("puts new streams off, then logins too, with a delay; what is under way goes on; and it recovers", async () => {
    // The start itself may have kept it busy.
    await eventually(async () => expect(await ready()).toBe("ready"), 30_000);
    const open = await subscribe(await login(server, tom.userId));
    let held = holdUp(150);
    await eventually(async () => expect(await ready()).toBe("overloaded"));
    const late = await refusal(streaming());
    expect(late).toMatchObject({ code: "Unavailable", reason: "SERVER_BUSY" });
    expect(late.detail.retryable).toBe(true);
    expect(Number(late.detail.retryDelay?.seconds)).toBeGreaterThanOrEqual(1);
    await loggingIn();
    held.stop();

    held = holdUp(700);
    await eventually(async () => expect((await refusal(loggingIn())).reason).toBe("SERVER_BUSY"), 30_000);
    await send(tom, toUser(tom.userId), "still stored");
    await tom.rpc.message.ackEvents({});
    held.stop();

    await eventually(async () => expect(await ready()).toBe("ready"), 30_000);
    await loggingIn();
    await (await subscribe(tom)).close();
    expect(open.frames.map((frame) => frame.case)).not.toContain("goodbye");
    const metrics = await (await fetch(`${server.url}/metrics`)).text();
    expect(metrics).toMatch(/parley_shed_total\{method="parley.v1.MessageService\/Subscribe"\} [1-9]/);
    expect(metrics).toMatch(/parley_shed_total\{method="parley.v1.AuthService\/Login"\} [1-9]/);
    await open.close();
  });
});
