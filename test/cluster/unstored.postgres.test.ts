import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventually, newUser, subscribe, type TestServer, withToken } from "../support/index.js";
import { metric, must, newRoom, say, says, send, textsOf, toRoom, toUser } from "../support/messaging.js";
import { type NatsServer, natsInstalled, startNats } from "../support/nats.js";
import { upload } from "../support/uploads.js";
import { closeNodes, startNodes } from "./nodes.js";

describe.skipIf(!natsInstalled("what is not stored, on two nodes"))("what is not stored, on two nodes", () => {
  let nats: NatsServer;
  let nodes: TestServer[];
  beforeAll(async () => {
    nats = await startNats();
    const address = { servers: [new URL(nats.url).host], tls: false };
    const settings = { nats: { ...address, user: undefined, password: undefined, token: undefined } };
    nodes = await startNodes(2, { settings });
    for (const node of nodes) await eventually(async () => expect(await metric(node, "parley_bus_up")).toBe(1));
  });
  afterAll(async () => {
    await closeNodes(nodes);
    await nats?.[Symbol.asyncDispose]();
  });

  /** Tom, who calls either node, and Jerry with a stream on the second; both in a room. */
  async function talk() {
    const [a, b] = [must(nodes[0]), must(nodes[1])];
    const [tom, jerry] = [await newUser(a), await newUser(b)];
    const there = { ...tom, rpc: withToken(b, tom.token) };
    const room = toRoom(await newRoom(tom, [jerry]));
    return { tom, there, jerry, stream: await subscribe(jerry), room };
  }

  it("is delivered once, whichever node a repeat comes to, and answered with the first where that was heard", async () => {
    const { tom, there, jerry, stream, room } = await talk();
    for (const [to, words] of [
      [toUser(jerry.userId), "to you"],
      [room, "in the room"],
    ] as const) {
      const given = { transient: true, clientMessageId: words.replaceAll(" ", "-") };
      const first = await send(tom, to, words, given);
      await stream.event(says(words));
      const again = await send(there, to, words, given);
      expect(again).toMatchObject({ deduplicated: true, message: { messageId: first.message?.messageId } });

      const backwards = { ...given, clientMessageId: `${given.clientMessageId}-back` };
      await send(there, to, `${words}, back`, backwards);
      // Nobody listens on this node, so it has not heard of the first.
      await send(tom, to, `${words}, back`, backwards);
    }
    await say(tom, toUser(jerry.userId), "end");
    await stream.event(says("end"));
    expect(textsOf(stream.events())).toEqual(["to you", "to you, back", "in the room", "in the room, back", "end"]);
    await stream.close();
  });

  it("lets its receivers have the bytes that it brought, from any node", async () => {
    const { tom, jerry, stream, room } = await talk();
    const { attachmentId } = await upload(tom, Buffer.from("live"));
    const content = { content: { case: "file" as const, value: { attachmentId } } };
    await tom.rpc.message.sendMessage({ receiver: room, content });
    await eventually(async () =>
      expect((await jerry.rpc.attachment.getAttachment({ attachmentId })).attachment?.sizeBytes).toBe(4),
    );
    await stream.close();
  });
});
