import { createConnectTransport } from "@connectrpc/connect-node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  newUser,
  openStream,
  refusal,
  rpcOver,
  startTestServer,
  type TestServer,
  type TestUser,
} from "../support/index.js";

/** Content that binary can say and JSON cannot, sent by a user who reads its own stream as JSON. */
describe("what has no form in JSON", () => {
  let server: TestServer;
  let tom: TestUser;
  beforeAll(async () => {
    server = await startTestServer();
    tom = await newUser(server);
  });
  afterAll(() => server.close());

  const toSelf = (content: object) =>
    tom.rpc.message.sendMessage({
      receiver: { peer: { case: "userId", value: tom.userId } },
      content: { content } as never,
    });

  it("is refused at the edge, and the server and its streams live on", async () => {
    const authorization = `Bearer ${tom.token}`;
    const json = createConnectTransport({
      baseUrl: server.url,
      httpVersion: "1.1",
      useBinaryFormat: false,
      interceptors: [
        (next) => (request) => {
          request.header.set("authorization", authorization);
          return next(request);
        },
      ],
    });
    const stream = openStream({ rpc: rpcOver(json) });
    await stream.frame("caughtUp");
    const media = { url: "https://example.org/a.mp3", duration: { seconds: 2n ** 50n, nanos: 0 } };
    expect(await refusal(toSelf({ case: "audio", value: media }))).toMatchObject({
      reason: "INVALID_FIELD",
      field: "content.audio.duration",
    });
    for (const number of [Number.NaN, Number.POSITIVE_INFINITY]) {
      const custom = { type: "x", data: { deep: [{ number }] } };
      expect(await refusal(toSelf({ case: "custom", value: custom }))).toMatchObject({
        reason: "INVALID_FIELD",
        field: "content.custom.data",
      });
    }
    await toSelf({ case: "text", value: { text: "still here" } });
    await stream.event(({ event }) => event.case === "messageCreated");
    await stream.close();
  });

  it("a stranger who leaves a group it never was in learns nothing of it", async () => {
    const { group } = await tom.rpc.group.createGroup({ name: "secret", attributes: { plan: "x" } });
    const stranger = await newUser(server);
    const groupId = group?.groupId ?? "";
    const answer = await stranger.rpc.group.removeGroupMembers({ groupId, userIds: [stranger.userId] });
    expect(answer.group).toMatchObject({ groupId, name: "", ownerUserId: "", memberCount: 0 });
    expect(answer.group?.attributes).toBeUndefined();
  });
});

describe("changes", () => {
  it("are bounded for one user, and reads and the app's backend are not", async () => {
    const server = await startTestServer({
      settings: { sendRate: 20 },
      limits: { changesPerSecond: 1, changeBurst: 3 },
    });
    const tom = await newUser(server);
    for (let i = 0; i < 3; i++) await tom.rpc.user.updateUser({ displayName: `Tom ${i}` });
    const refused = await refusal(tom.rpc.user.updateUser({ displayName: "Tom 4" }));
    expect(refused).toMatchObject({ reason: "RATE_LIMITED", code: "ResourceExhausted" });
    expect(refused.detail.retryDelay).toBeDefined();
    await tom.rpc.user.getUser({ userId: tom.userId });
    await server.close();
  });
});
