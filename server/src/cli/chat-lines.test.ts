import { expect, test } from "vitest";
import { createLineHandler } from "./chat-lines.js";
import type { ChatSession } from "./chat-session.js";

function setUp() {
  const sent: unknown[] = [];
  const printed: string[] = [];
  const session = {
    send: async (peer: unknown, text: string) => void sent.push([peer, text]),
    joinRoom: async (roomId: string) => void sent.push(["join", roomId]),
    friends: async () => [],
  } as unknown as ChatSession;
  const terminal = {
    lines: (async function* () {})(),
    print: (text: string) => void printed.push(text),
    setPrompt: () => undefined,
    prompt: () => undefined,
    close: () => undefined,
  };
  return { sent, printed, handle: createLineHandler(session, terminal) };
}

test("lines go to the peer that was chosen last", async () => {
  const { sent, handle } = setUp();
  for (const line of ["/to Jerry", "hello", "/group g1", " /not a command", "/room r1", "hi"]) await handle(line);
  expect(sent).toEqual([
    [{ case: "userId", value: "Jerry" }, "hello"],
    [{ case: "groupId", value: "g1" }, " /not a command"],
    ["join", "r1"],
    [{ case: "roomId", value: "r1" }, "hi"],
  ]);
});

test("what cannot be done is said, and the talk goes on", async () => {
  const { sent, printed, handle } = setUp();
  for (const line of ["hello", "/to", "/nope", "", "/friends"]) expect(await handle(line)).toBe(true);
  expect(sent).toEqual([]);
  expect(printed.map((text) => text.slice(0, 8))).toEqual(["! to who", "! whom? ", "no comma", "no frien"]);
  expect(await handle("/quit")).toBe(false);
});
