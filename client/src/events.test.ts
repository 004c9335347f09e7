import { create, type MessageInitShape } from "@bufbuild/protobuf";
import type { ChatMessageSchema } from "@parley/proto/parley/v1/chat_message_pb.js";
import { type StreamEvent, StreamEventSchema } from "@parley/proto/parley/v1/stream_event_pb.js";
import { describe, expect, it } from "vitest";
import { createEmitter } from "./emitter.js";
import { createEventIterator } from "./event-iterator.js";
import { nameEvent } from "./events.js";
import { createPresenceTracker } from "./presence.js";

type EventInit = NonNullable<MessageInitShape<typeof StreamEventSchema>["event"]>;

function nameOf(event: EventInit): string | undefined {
  return nameEvent(create(StreamEventSchema, { event }), "Jerry", createPresenceTracker())?.[0];
}

function message(
  senderId: string,
  receiver: "userId" | "groupId" | "roomId",
): MessageInitShape<typeof ChatMessageSchema> {
  return {
    sender: { sender: { case: "userId", value: senderId } },
    receiver: { peer: { case: receiver, value: "x" } },
  };
}

describe("an event of the stream", () => {
  it.each<[string | undefined, EventInit]>([
    ["friendMessage", { case: "messageCreated", value: { message: message("Tom", "userId") } }],
    ["groupMessage", { case: "messageCreated", value: { message: message("Tom", "groupId") } }],
    ["roomMessage", { case: "messageCreated", value: { message: message("Tom", "roomId") } }],
    ["ownMessage", { case: "messageCreated", value: { message: message("Jerry", "userId") } }],
    ["ownMessage", { case: "messageCreated", value: { message: message("Jerry", "groupId") } }],
    ["messageUpdated", { case: "messageUpdated", value: { message: {} } }],
    ["systemMessage", { case: "systemMessage", value: { message: {} } }],
    ["friendOnline", { case: "presenceChanged", value: { online: true } }],
    ["friendOffline", { case: "presenceChanged", value: { online: false } }],
    ["someoneOnline", { case: "presenceChanged", value: { userId: "desk", online: true, toEveryone: true } }],
    ["someoneOffline", { case: "presenceChanged", value: { userId: "desk", online: false, toEveryone: true } }],
    [undefined, { case: "presenceChanged", value: { userId: "Jerry", online: true, toEveryone: true } }],
    ["friendChanged", { case: "friendChanged", value: {} }],
    ["groupChanged", { case: "groupChanged", value: {} }],
    ["groupMemberChanged", { case: "groupMemberChanged", value: {} }],
    ["roomChanged", { case: "roomChanged", value: {} }],
    ["roomMemberChanged", { case: "roomMemberChanged", value: {} }],
    ["typing", { case: "typingChanged", value: {} }],
    ["readMarker", { case: "readMarkerChanged", value: {} }],
    ["userChanged", { case: "userChanged", value: { user: {} } }],
    ["userDeleted", { case: "userChanged", value: { user: {}, change: 3 } }],
    ["historyCleared", { case: "historyCleared", value: {} }],
    ["conversationChanged", { case: "conversationChanged", value: {} }],
    ["sessionRevoked", { case: "sessionRevoked", value: {} }],
    [undefined, { case: undefined }],
    [undefined, { case: "messageCreated", value: {} }],
  ])("has the name %s", (name, event) => {
    expect(nameOf(event)).toBe(name);
  });
});

describe("presence", () => {
  const change = (userId: string, online: boolean) => ({
    $typeName: "parley.v1.PresenceChanged" as const,
    userId,
    online,
    toEveryone: false,
  });

  it("tells every offline, and online only when it is news", () => {
    const presence = createPresenceTracker();
    expect(presence.apply(change("Tom", true))).toBe(true);
    expect(presence.apply(change("Tom", true))).toBe(false);
    expect(presence.apply(change("Tom", false))).toBe(true);
    expect(presence.apply(change("Spike", false))).toBe(true);
  });

  it("is told of a friend once, though the friend tells everyone too", () => {
    const presence = createPresenceTracker();
    const named = (online: boolean, toEveryone: boolean) => {
      const event = { case: "presenceChanged" as const, value: { userId: "Tom", online, toEveryone } };
      return nameEvent(create(StreamEventSchema, { event }), "Jerry", presence)?.[0];
    };
    const changes = [true, false].flatMap((online) => [named(online, false), named(online, true)]);
    expect(changes).toEqual(["friendOnline", undefined, "friendOffline", undefined]);
    presence.forget("Tom");
    expect(named(true, true)).toBe("someoneOnline");
  });

  it("forgets those who are friends no more", () => {
    const presence = createPresenceTracker();
    presence.apply(change("Tom", true));
    presence.apply(change("Spike", true));
    presence.begin();
    presence.forget("Tom");
    expect(presence.settle()).toEqual(["Spike"]);
    presence.clear();
    presence.begin();
    expect(presence.settle()).toEqual([]);
  });
});

describe("the emitter", () => {
  it("calls in order, waits for all, and takes a listener away", async () => {
    const thrown: unknown[] = [];
    const emitter = createEmitter<{ tick: number }>((error, name) => thrown.push([name, error]));
    const heard: string[] = [];
    const off = emitter.on("tick", async (n) => {
      await Promise.resolve();
      heard.push(`a${n}`);
    });
    emitter.on("tick", (n) => {
      heard.push(`b${n}`);
      throw n;
    });
    expect(emitter.heard("tick")).toBe(true);
    await emitter.emit("tick", 1);
    off();
    off();
    await emitter.emit("tick", 2);
    expect(heard).toEqual(["b1", "a1", "b2"]);
    expect(thrown).toEqual([
      ["tick", 1],
      ["tick", 2],
    ]);
  });
});

describe("the event iterator", () => {
  function source() {
    let tell: (value: StreamEvent) => unknown = () => {};
    const made = createEventIterator<StreamEvent>((listener) => {
      tell = listener;
      return () => {
        tell = () => {};
      };
    });
    return {
      ...made,
      tell: (cursor: string) => tell(create(StreamEventSchema, { cursor })) as Promise<void> | undefined,
    };
  }

  it("keeps one event until it is taken, and is done with it at the next one", async () => {
    const { iterator, tell } = source();
    let applied = false;
    void tell("1")?.then(() => {
      applied = true;
    });
    expect((await iterator.next()).value.cursor).toBe("1");
    expect(applied).toBe(false);
    const next = iterator.next();
    await Promise.resolve();
    expect(applied).toBe(true);
    void tell("2");
    expect((await next).value.cursor).toBe("2");
  });

  it("gives what waits before it ends", async () => {
    const { iterator, tell, end } = source();
    void tell("1");
    end();
    expect((await iterator.next()).done).toBe(false);
    expect((await iterator.next()).done).toBe(true);
  });

  it("lets go of everything when its loop is left", async () => {
    const { iterator, tell } = source();
    const waiting = tell("1");
    await iterator.return?.();
    await waiting;
    expect(tell("2")).toBeUndefined();
    expect((await iterator.next()).done).toBe(true);
  });
});
