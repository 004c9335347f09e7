import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { backend, eventually, newUser, startTestServer, subscribe, type TestServer } from "../support/index.js";
import { must, newGroup, newRoom, say, says, text, toEveryone, toGroup, toRoom, toUser } from "../support/messaging.js";
import { newPhone, newPushToken, scriptedSender } from "../support/push.js";

const sender = scriptedSender();
let server: TestServer;
beforeAll(async () => {
  server = await startTestServer({ pushSender: sender });
});
afterAll(() => server.close());

/** Waits until a phone was pushed, and gives what. */
const pushTo = async (token: string, count = 1) =>
  await eventually(() => {
    const pushes = sender.to(token);
    if (pushes.length < count) throw new Error(`${pushes.length} pushes of ${count}`);
    return pushes;
  });

/** Shows that a phone was pushed nothing: a later message to a user who is away is pushed behind whatever it might have been. */
async function nothingTo(token: string): Promise<void> {
  const [marker, sayer] = [await newPhone(server), await newUser(server)];
  await say(sayer, toUser(marker.userId), "mark");
  await pushTo(marker.pushToken);
  expect(sender.to(token)).toEqual([]);
}

describe("a message to somebody who is offline", () => {
  test("is pushed to the phone once, with its text, badge, sound and what opens the conversation", async () => {
    const tom = await newUser(server, "tom");
    await tom.rpc.user.updateUser({ displayName: "Tom" });
    const jerry = await newPhone(server);
    const message = await say(tom, toUser(jerry.userId), "hello");
    const [push] = await pushTo(jerry.pushToken);
    expect(push).toMatchObject({
      title: "Tom",
      body: "hello",
      sound: "default",
      badge: 1,
      contentAvailable: false,
      collapseId: message.messageId,
      threadId: message.conversationId,
      data: {
        v: 1,
        app_id: server.appId,
        conversation_id: message.conversationId,
        message_id: message.messageId,
        seq: 1,
        sender: { userId: tom.userId },
        receiver: { userId: jerry.userId },
        message: { messageId: message.messageId, content: { text: { text: "hello" } } },
      },
    });
    await nothingTo(newPushToken());
    expect(sender.to(jerry.pushToken)).toHaveLength(1);
  });
});
void [backend, subscribe, must, newGroup, newRoom, says, text, toEveryone, toGroup, toRoom];
