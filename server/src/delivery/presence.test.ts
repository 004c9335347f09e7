import { describe, expect, test } from "vitest";
import { fakeClock } from "../../../test/support/fake-clock.js";
import { createPresenceBoard } from "./presence.js";

const GRACE_MS = 10_000;
const TELL_MS = 5_000;

function createWorld() {
  const clock = fakeClock();
  const changes: string[] = [];
  const board = createPresenceBoard({
    clock,
    graceMs: GRACE_MS,
    tellMs: TELL_MS,
    onChange: ({ appId, userId, online, atMs }) => {
      expect(atMs).toBe(board.of(appId, userId).lastActiveMs);
      changes.push(`${appId} ${userId} ${online ? "on" : "off"}`);
    },
  });
  const [arrive, leave] = [
    (session: string, hidden = false) => board.arrive("a", "tom", session, hidden),
    (session: string, at: "grace" | "once" = "grace") => board.leave("a", "tom", session, at),
  ];
  return { clock, changes, board, arrive, leave, of: () => board.of("a", "tom") };
}

describe("presence", () => {
  test("online with the first stream, offline a grace after the last, each told once", () => {
    const { clock, changes, arrive, leave, of } = createWorld();
    expect(of()).toEqual({ online: false, lastActiveMs: undefined });
    arrive("1");
    arrive("2");
    leave("1");
    clock.advance(60_000);
    expect(changes).toEqual(["a tom on"]);
    leave("2");
    clock.advance(GRACE_MS - 1);
    expect(of().online).toBe(true);
    clock.advance(1);
    expect(of()).toEqual({ online: false, lastActiveMs: clock.now() });
    clock.advance(TELL_MS);
    // The time of it was told, and is the store's to keep.
    expect(of()).toEqual({ online: false, lastActiveMs: undefined });
    expect(changes).toEqual(["a tom on", "a tom off"]);
    expect(clock.pending).toBe(0);
  });

  test("a stream that comes back within the grace is no change, however often", () => {
    const { clock, changes, arrive, leave } = createWorld();
    arrive("1");
    for (let i = 0; i < 5; i++) {
      leave("1");
      clock.advance(GRACE_MS - 1);
      arrive("1");
    }
    clock.advance(60_000);
    expect(changes).toEqual(["a tom on"]);
  });

  test("the grace runs from the loss of the last stream", () => {
    const { clock, changes, arrive, leave } = createWorld();
    arrive("1");
    leave("1");
    clock.advance(6_000);
    arrive("2");
    leave("2");
    clock.advance(6_000);
    expect(changes).toEqual(["a tom on"]);
    clock.advance(4_000);
    expect(changes).toEqual(["a tom on", "a tom off"]);
  });

  test("each device has its own grace: the pause of one does not end the other's", () => {
    const { clock, changes, arrive, leave } = createWorld();
    arrive("1");
    arrive("2");
    clock.advance(TELL_MS);
    leave("1");
    clock.advance(4_000);
    leave("2", "once");
    clock.advance(5_999);
    expect(changes).toEqual(["a tom on"]);
    clock.advance(1);
    expect(changes).toEqual(["a tom on", "a tom off"]);
  });

  test("a second leave of the same stream does not lengthen the grace", () => {
    const { clock, changes, arrive, leave } = createWorld();
    arrive("1");
    leave("1");
    clock.advance(6_000);
    leave("1");
    clock.advance(4_000);
    expect(changes).toEqual(["a tom on", "a tom off"]);
  });

  test("a pause takes effect at once, also within the grace, but not while another device is here", () => {
    const { changes, clock, arrive, leave } = createWorld();
    arrive("1");
    arrive("2");
    leave("1", "once");
    expect(changes).toEqual(["a tom on"]);
    clock.advance(TELL_MS);
    leave("2");
    leave("2", "once");
    expect(changes).toEqual(["a tom on", "a tom off"]);
    clock.advance(60_000);
    expect(changes).toHaveLength(2);
  });

  test("of one user at most one change is told in 5 s, the newest, and always the last; who asks is told the truth", () => {
    const { changes, clock, arrive, leave, of } = createWorld();
    for (let at = 0; at < 49; at++) {
      arrive("1");
      expect(of().online).toBe(true);
      clock.advance(50);
      leave("1", "once");
      expect(of().online).toBe(false);
      clock.advance(50);
    }
    clock.advance(99);
    expect(changes).toEqual(["a tom on"]);
    clock.advance(1);
    expect(changes).toEqual(["a tom on", "a tom off"]);
    clock.advance(TELL_MS - 1);
    arrive("1");
    clock.advance(1);
    expect(changes).toEqual(["a tom on", "a tom off", "a tom on"]);
    clock.advance(60_000);
    expect(changes).toHaveLength(3);
    expect(clock.pending).toBe(0);
  });

  test("a change that was taken back untold is told again: who looked meanwhile saw the other", () => {
    const { changes, clock, arrive, leave } = createWorld();
    arrive("1");
    leave("1", "once");
    arrive("1");
    clock.advance(TELL_MS);
    expect(changes).toEqual(["a tom on", "a tom on"]);
  });

  test("what leaves twice or was never here changes nothing", () => {
    const { changes, clock, board, leave } = createWorld();
    leave("1");
    leave("1", "once");
    board.leave("a", "nobody", "1", "once");
    clock.advance(60_000);
    expect(changes).toEqual([]);
  });

  test("users of the same id in two apps are two", () => {
    const { changes, clock, board } = createWorld();
    board.arrive("a", "tom", "1", false);
    board.arrive("b", "tom", "1", false);
    clock.advance(TELL_MS);
    board.leave("b", "tom", "1", "once");
    expect(changes).toEqual(["a tom on", "b tom on", "b tom off"]);
    expect(board.of("a", "tom").online).toBe(true);
  });

  test("who was here when the server stopped counts as here until the grace of the start is over", () => {
    const { clock, changes, board, arrive, of } = createWorld();
    board.remember("a", "tom", 15_000);
    board.remember("a", "ann", 15_000);
    expect(of().online).toBe(true);
    clock.advance(14_999);
    arrive("1");
    clock.advance(60_000);
    expect(changes).toEqual(["a ann off"]);
    board.remember("a", "tom", 1);
    clock.advance(60_000);
    expect(of().online).toBe(true);
  });

  test("close leaves no timer", () => {
    const { clock, board, arrive, leave } = createWorld();
    board.arrive("a", "jerry", "1", false);
    board.leave("a", "jerry", "1", "once");
    arrive("1");
    leave("1");
    board.remember("a", "ann", 15_000);
    board.close();
    expect(clock.pending).toBe(0);
  });

  test("who hides is away at once, whatever opens, and back as its streams say; nothing is left of it when it goes", () => {
    const { clock, changes, board, arrive, leave, of } = createWorld();
    arrive("1");
    clock.advance(TELL_MS);
    board.hide("a", "tom", true);
    expect(of().online).toBe(false);
    arrive("2", true);
    clock.advance(TELL_MS);
    expect(changes).toEqual(["a tom on", "a tom off"]);
    board.hide("a", "tom", false);
    expect(of().online).toBe(true);
    clock.advance(TELL_MS);
    leave("1", "once");
    board.hide("a", "tom", true);
    clock.advance(TELL_MS);
    leave("2");
    clock.advance(GRACE_MS);
    expect(changes).toEqual(["a tom on", "a tom off", "a tom on", "a tom off"]);
    // The next one who comes under the name is shown as it says itself.
    board.hide("a", "tom", true);
    arrive("3");
    expect(of().online).toBe(true);
    leave("3", "once");
    clock.advance(2 * TELL_MS);
    expect(clock.pending).toBe(0);
  });
});
