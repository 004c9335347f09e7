import { describe, expect, it } from "vitest";
import { group, system, user } from "./peer.js";
import { readPush } from "./push-data.js";

const base = {
  v: 1,
  push_id: "p",
  app_id: "a",
  message_id: "m",
  conversation_id: "c",
  seq: 3,
  sender: { userId: "Tom" },
  receiver: { userId: "Jerry" },
};

describe("the data of a push", () => {
  it("tells the message and the conversation to open, as an object and as text", () => {
    const message = { messageId: "m", content: { text: { text: "Hi!" } }, ofTheFuture: 1 };
    for (const data of [{ ...base, message }, JSON.stringify({ ...base, message })]) {
      const push = readPush(data);
      expect(push).toMatchObject({ pushId: "p", appId: "a", messageId: "m", conversationId: "c", seq: 3 });
      expect(push?.peer).toEqual(user("Tom"));
      expect(push?.message?.content?.content).toMatchObject({ case: "text", value: { text: "Hi!" } });
    }
  });

  it("names the group, or the system, when the message was theirs", () => {
    expect(readPush({ ...base, receiver: { groupId: "g" } })?.peer).toEqual(group("g"));
    expect(readPush({ ...base, sender: { system: {} } })?.peer).toEqual(system());
    expect(readPush(base)?.message).toBeUndefined();
  });

  it("is nothing when it is none of ours, or of a later form", () => {
    for (const data of [undefined, null, 7, "no JSON", "{}", {}, { ...base, v: 2 }, { ...base, receiver: 7 }])
      expect(readPush(data)).toBeUndefined();
  });
});
