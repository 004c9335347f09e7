import { View } from "@parley/proto/parley/v1/user_pb.js";
import { expect, test } from "vitest";
import { fakeClock } from "../support/fake-clock.js";
import { eventually, newUser, refusal, startTestServer } from "../support/index.js";
import { otherApp, say, send, toUser } from "../support/messaging.js";

test("a message that retention has hidden is in no history, is no friend's newest, and is answered by none", async () => {
  const clock = fakeClock();
  const server = await startTestServer({ clock });
  const app = await otherApp(server, { historyRetention: { seconds: 1n, nanos: 0 } });
  const [tom, jerry] = [await newUser(app, "tom"), await newUser(app, "jerry")];
  await tom.rpc.friend.addFriend({ userId: jerry.userId });
  const { messageId } = await say(tom, toUser(jerry.userId), "old");
  clock.advance(10_000);
  await eventually(async () => {
    const { messages } = await tom.rpc.history.listMessages({ peer: toUser(jerry.userId) });
    expect(messages).toEqual([]);
  });
  expect((await tom.rpc.friend.getFriend({ userId: jerry.userId })).friend?.lastMessage).toBeUndefined();
  const { friends } = await tom.rpc.friend.listFriends({ view: View.FULL });
  expect(friends.map(({ lastMessage }) => lastMessage)).toEqual([undefined]);
  expect(await refusal(tom.rpc.history.getMessage({ messageId }))).toMatchObject({ reason: "NOT_FOUND" });
  const reply = send(tom, toUser(jerry.userId), "re", { replyToMessageId: messageId });
  expect(await refusal(reply)).toMatchObject({ reason: "NOT_FOUND", field: "reply_to_message_id" });
  await server.close();
});
