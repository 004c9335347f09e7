import { describe, expect, test } from "vitest";
import { fakeClock } from "../../../test/support/fake-clock.js";
import { createLiveness } from "./liveness.js";
import { createPresenceBoard } from "./presence.js";
import type { Subscription } from "./subscription.js";

function createWorld(persist: (appId: string, acked: ReadonlyMap<string, number>) => Promise<void> = async () => {}) {
  const clock = fakeClock();
  const changes: string[] = [];
  const presence = createPresenceBoard({
    clock,
    graceMs: 10_000,
    tellMs: 0,
    onChange: ({ userId, online }) => void changes.push(`${userId} ${online ? "on" : "off"}`),
  });
  const liveness = createLiveness({
    clock,
    presence,
    quietMs: 60_000,
    graceMs: 10_000,
    bootGraceMs: 15_000,
    persistMs: 5_000,
    persist,
  });
  const arrive = (sessionId: string, visible = true) =>
    liveness.arrive("a", { userId: "tom", sessionId } as Subscription, { visible, hidden: false });
  return { clock, changes, liveness, arrive };
}

describe("liveness", () => {
  test("a client that never acknowledges counts while its stream lives", () => {
    const { clock, changes, arrive } = createWorld();
    const close = arrive("1");
    clock.advance(600_000);
    expect(changes).toEqual(["tom on"]);
    close("once");
    expect(changes).toEqual(["tom on", "tom off"]);
  });

  test("one that has acknowledged and falls silent lapses after the quiet and the grace, and comes back with a word", () => {
    const { clock, changes, liveness, arrive } = createWorld();
    const close = arrive("1");
    clock.advance(30_000);
    liveness.ack("a", "1", 0);
    clock.advance(55_000);
    expect(changes).toEqual(["tom on"]);
    clock.advance(60_000 + 10_000 + 5_000 - 55_000);
    expect(changes).toEqual(["tom on", "tom off"]);
    liveness.ack("a", "1", 0);
    expect(changes).toEqual(["tom on", "tom off", "tom on"]);
    close("grace");
    clock.advance(10_000);
    expect(changes).toEqual(["tom on", "tom off", "tom on", "tom off"]);
  });

  test("acknowledging every 25 s keeps it here", () => {
    const { clock, changes, liveness, arrive } = createWorld();
    arrive("1");
    for (let i = 0; i < 20; i++) {
      liveness.ack("a", "1", 0);
      clock.advance(25_000);
    }
    expect(changes).toEqual(["tom on"]);
  });

  test("a newer stream of the session takes over: the close of the older one changes nothing", () => {
    const { clock, changes, arrive } = createWorld();
    const closeOlder = arrive("1");
    const closeNewer = arrive("1");
    closeOlder("once");
    clock.advance(60_000);
    expect(changes).toEqual(["tom on"]);
    closeNewer("once");
    expect(changes).toEqual(["tom on", "tom off"]);
  });

  test("an invisible stream is never told of, silent, speaking or closing", () => {
    const { clock, changes, liveness, arrive } = createWorld();
    const close = arrive("1", false);
    liveness.ack("a", "1", 0);
    clock.advance(120_000);
    liveness.ack("a", "1", 0);
    close("grace");
    clock.advance(60_000);
    expect(changes).toEqual([]);
  });

  test("a session that opens a newer stream to be invisible goes offline at once", () => {
    const { clock, changes, arrive } = createWorld();
    const closeOlder = arrive("1");
    const closeNewer = arrive("1", false);
    closeOlder("grace");
    clock.advance(0);
    expect(changes).toEqual(["tom on", "tom off"]);
    arrive("1");
    closeNewer("grace");
    clock.advance(60_000);
    expect(changes).toEqual(["tom on", "tom off", "tom on"]);
  });

  test("the farthest acknowledgement of each session is stored, in the next round and once", async () => {
    const rounds: [string, [string, number][]][] = [];
    const { clock, liveness, arrive } = createWorld(async (appId, acked) => void rounds.push([appId, [...acked]]));
    arrive("1");
    liveness.ack("a", "1", 7);
    liveness.ack("a", "1", 9);
    liveness.ack("a", "1", 8);
    liveness.ack("a", "2", 3);
    liveness.ack("a", "2", 0);
    expect(rounds).toEqual([]);
    clock.advance(5_000);
    expect(rounds).toEqual([
      [
        "a",
        [
          ["1", 9],
          ["2", 3],
        ],
      ],
    ]);
    clock.advance(60_000);
    expect(rounds).toHaveLength(1);
    liveness.ack("a", "1", 12);
    await liveness.close();
    expect(rounds.at(-1)).toEqual(["a", [["1", 12]]]);
    expect(clock.pending).toBe(0);
  });

  test("a failure to store does not stop the rounds", () => {
    let tries = 0;
    const { clock, liveness } = createWorld(async () => {
      tries++;
      throw new Error("full");
    });
    for (let i = 1; i <= 3; i++) {
      liveness.ack("a", "1", i);
      clock.advance(5_000);
    }
    expect(tries).toBe(3);
  });

  test("the client of a session is receiving, awaited or away by what its stream and its words say", () => {
    const { clock, liveness, arrive } = createWorld();
    const client = () => liveness.standing("a", "1").client;
    clock.advance(15_000);
    expect(client()).toBe("away");
    let close = arrive("1", false);
    clock.advance(600_000);
    expect(client()).toBe("receiving");
    liveness.ack("a", "1", 0);
    clock.advance(59_999);
    expect(client()).toBe("awaited");
    clock.advance(1);
    expect(client()).toBe("away");
    liveness.ack("a", "1", 0);
    expect(client()).toBe("awaited");
    close("grace");
    clock.advance(9_999);
    expect(client()).toBe("awaited");
    clock.advance(1);
    expect(client()).toBe("away");
    close = arrive("1");
    close("once");
    expect(client()).toBe("away");
  });

  test("a stream that had fallen silent for too long leaves nobody who is awaited", () => {
    const { clock, liveness, arrive } = createWorld();
    const close = arrive("1");
    liveness.ack("a", "1", 0);
    clock.advance(60_000);
    close("grace");
    expect(liveness.standing("a", "1").client).toBe("away");
  });

  test("who says that it goes is away at once, whether its stream is open, lost or was never there", () => {
    const { clock, changes, liveness, arrive } = createWorld();
    const standing = (sessionId: string) => liveness.standing("a", sessionId).client;
    const close = arrive("1");
    liveness.dismiss("a", "1");
    expect(standing("1")).toBe("away");
    clock.advance(0);
    expect(changes).toEqual(["tom on", "tom off"]);
    close("grace");
    expect(standing("1")).toBe("away");
    arrive("2")("grace");
    liveness.dismiss("a", "2");
    expect(standing("2")).toBe("away");
    expect(standing("3")).toBe("unseen");
    liveness.dismiss("a", "3");
    expect(standing("3")).toBe("away");
    clock.advance(60_000);
  });

  test("after a start, whoever has not been seen may come back for 15 s", () => {
    const { clock, liveness, arrive } = createWorld();
    const standing = (sessionId: string) => liveness.standing("a", sessionId).client;
    arrive("1");
    expect([standing("1"), standing("2")]).toEqual(["receiving", "unseen"]);
    clock.advance(14_999);
    expect(standing("2")).toBe("unseen");
    clock.advance(1);
    expect(standing("2")).toBe("away");
  });

  test("an acknowledgement is known from its word until after it was stored, and is never lost between", async () => {
    let stored = () => {};
    const { clock, liveness } = createWorld(() => new Promise<void>((resolve) => (stored = resolve)));
    const acked = () => liveness.standing("a", "1").ackedPos;
    liveness.ack("a", "1", 7);
    liveness.ack("a", "1", 5);
    expect(acked()).toBe(7);
    clock.advance(5_000);
    expect(acked()).toBe(7);
    stored();
    await new Promise((resolve) => setImmediate(resolve));
    // Whoever read the store just before that is told right for one round more.
    expect(acked()).toBe(7);
    clock.advance(5_000);
    expect(acked()).toBe(0);
  });

  test("a hidden user that fell silent and speaks again stays hidden until it is shown", () => {
    const { clock, changes, liveness, arrive } = createWorld();
    arrive("1");
    liveness.ack("a", "1", 0);
    liveness.hide("a", "tom", true);
    clock.advance(80_000);
    liveness.ack("a", "1", 0);
    expect(changes).toEqual(["tom on", "tom off"]);
    liveness.hide("b", "tom", false);
    liveness.hide("a", "tom", false);
    expect(changes).toEqual(["tom on", "tom off", "tom on"]);
  });
});
