import { GoodbyeReason } from "@parley/proto/parley/v1/message_service_pb.js";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  backend,
  eventually,
  newUser,
  refusal,
  subscribe,
  type TestServer,
  type TestStream,
  type TestUser,
  withToken,
} from "../support/index.js";
import { must, newDevice } from "../support/messaging.js";
import { type NatsServer, natsInstalled, startNats } from "../support/nats.js";
import { closeNodes, startNodes } from "./nodes.js";

const GRACE_MS = 1_500;
const hasNats = natsInstalled("two nodes wake each other by NATS");
/** How soon the other node must do what was done on this one; without a bus it looks when it renews its lease. */
const SOON_MS = hasNats ? 2_000 : 5_000;

let nats: NatsServer | undefined;
let nodes: TestServer[];
let [a, b]: TestServer[] = [];
beforeAll(async () => {
  nats = hasNats ? await startNats() : undefined;
  const address = nats && { servers: [new URL(nats.url).host], tls: false };
  const settings = { nats: address && { ...address, user: undefined, password: undefined, token: undefined } };
  nodes = await startNodes(2, { settings, times: { presenceGraceMs: GRACE_MS, presenceTellMs: 1 } });
  [a, b] = nodes;
});
afterAll(async () => {
  await closeNodes(nodes);
  await nats?.[Symbol.asyncDispose]();
});

/** The same user and session, calling another node. */
const at = (node: TestServer | undefined, user: TestUser): TestUser => ({
  ...user,
  rpc: withToken(must(node), user.token),
});
const soon = <T>(check: () => Promise<T> | T) => eventually(check, SOON_MS);
const presenceEvents = (stream: TestStream, { userId }: TestUser): string[] =>
  stream
    .events()
    .flatMap(({ event }) =>
      event.case === "presenceChanged" && event.value.userId === userId ? [event.value.online ? "on" : "off"] : [],
    );
const endOf = async (stream: TestStream) => {
  await soon(() => stream.frame("goodbye"));
  const { reason, reconnect } = await stream.frame("goodbye");
  return { reason, reconnect };
};

/** Two friends: one has a stream on the one node, the other on the other. */
async function friends() {
  const [tom, jerry] = [await newUser(must(a)), await newUser(must(b))];
  await tom.rpc.friend.addFriend({ userId: jerry.userId });
  const heard = await subscribe(jerry);
  return { tom, jerry, heard };
}

describe("presence over two nodes", () => {
  it("is told to friends on the other, and to those who ask there, once", async () => {
    const { tom, jerry, heard } = await friends();
    const asked = async () => (await jerry.rpc.user.getPresence({ userId: tom.userId })).presence;
    const stream = await subscribe(tom);
    await soon(() => expect(presenceEvents(heard, tom)).toEqual(["on"]));
    expect((await asked())?.online).toBe(true);
    const { online } = must((await jerry.rpc.friend.getFriend({ userId: tom.userId })).friend);
    expect(online).toBe(true);
    // Whoever opens a stream is told of it, on both.
    const late = await subscribe(at(a, jerry));
    expect(presenceEvents(late, tom)).toEqual(["on"]);
    await stream.close();
    await soon(async () => expect((await asked())?.online).toBe(false));
    await soon(() => expect(presenceEvents(late, tom)).toEqual(["on", "off"]));
    await late.close();
  });

  it("does not flicker when a session moves from node to node, whose old stream ends", async () => {
    const { tom, heard } = await friends();
    let stream = await subscribe(tom);
    for (const node of [b, a, b]) {
      const moved = await subscribe(at(node, tom));
      expect(await endOf(stream)).toEqual({ reason: GoodbyeReason.REPLACED, reconnect: false });
      stream = moved;
    }
    await stream.close();
    stream = await subscribe(tom);
    await new Promise((resolve) => setTimeout(resolve, 2 * GRACE_MS));
    expect(presenceEvents(heard, tom)).toEqual(["on"]);
    await stream.close();
  });

  it("stays while another device is here on another node", async () => {
    const { tom, heard } = await friends();
    const phone = await subscribe(tom);
    const laptop = await newDevice(must(b), tom);
    const other = await subscribe(laptop);
    const { sessions } = await tom.rpc.auth.listSessions({});
    expect(sessions.filter(({ online }) => online)).toHaveLength(2);
    expect((await backend(must(a)).admin.getUserDetail({ userId: tom.userId })).detail?.liveSessionCount).toBe(2);
    await phone.close();
    await new Promise((resolve) => setTimeout(resolve, 2 * GRACE_MS));
    expect(presenceEvents(heard, tom)).toEqual(["on"]);
    await laptop.rpc.message.pauseSession({});
    await other.ended;
    await soon(() => expect(presenceEvents(heard, tom)).toEqual(["on", "off"]));
  });

  it("hides a user on all nodes", async () => {
    const { tom, heard } = await friends();
    const stream = await subscribe(tom);
    await soon(() => expect(presenceEvents(heard, tom)).toEqual(["on"]));
    await at(b, tom).rpc.user.updatePresenceSettings({ invisible: true });
    await soon(() => expect(presenceEvents(heard, tom)).toEqual(["on", "off"]));
    await stream.close();
  });
});

describe("what ends on the other node", () => {
  it("is the stream of a session that was paused, logged out or revoked", async () => {
    const tom = await newUser(must(a));
    let stream = await subscribe(tom);
    await at(b, tom).rpc.message.pauseSession({});
    expect(await endOf(stream)).toEqual({ reason: GoodbyeReason.PAUSED, reconnect: false });
    stream = await subscribe(tom);
    await at(b, tom).rpc.auth.logout({});
    expect(await endOf(stream)).toEqual({ reason: GoodbyeReason.SESSION_REVOKED, reconnect: false });
    await soon(async () =>
      expect(await refusal(tom.rpc.auth.listSessions({}))).toMatchObject({ reason: "SESSION_REVOKED" }),
    );
    const again = await newDevice(must(a), tom);
    const laptop = await newDevice(must(b), tom);
    stream = await subscribe(again);
    const { sessions } = await laptop.rpc.auth.listSessions({});
    const { sessionId } = must(sessions.find(({ current }) => !current));
    await laptop.rpc.auth.revokeSession({ sessionId });
    expect(await endOf(stream)).toEqual({ reason: GoodbyeReason.SESSION_REVOKED, reconnect: false });
  });

  it("are all streams of a user that the backend disconnects, and their number is told", async () => {
    const tom = await newUser(must(a));
    const streams = [await subscribe(tom), await subscribe(await newDevice(must(b), tom))];
    expect((await backend(must(b)).admin.disconnectUser({ userId: tom.userId })).streams).toBe(2);
    for (const stream of streams)
      expect(await endOf(stream)).toEqual({ reason: GoodbyeReason.DISCONNECTED, reconnect: false });
  });
});

describe("what one node has changed", () => {
  it("is so on the other", async () => {
    const [one, other] = [must(a), must(b)];
    await backend(one).admin.updateSettings({ settings: { allowBareIdLogin: false } });
    await soon(async () => expect(await refusal(newUser(other))).toMatchObject({ reason: "LOGIN_DISABLED" }));
    await backend(one).admin.updateSettings({ settings: { allowBareIdLogin: true } });
    await soon(() => newUser(other));
  });
});
