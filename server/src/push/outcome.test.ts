import { describe, expect, test } from "vitest";
import type { PushOutcome } from "../ports.js";
import { retryWait, settlementOf } from "./outcome.js";

const rules = { tries: 8, baseMs: 1_000, mostMs: 600_000 };
const NOW = 1_000_000;
const DAY = 86_400_000;
const most = () => 1;
const settle = (outcome: PushOutcome, tries = 0, random = most, expire_ms = NOW + DAY) =>
  settlementOf({ tries, expire_ms }, outcome, "token", NOW, rules, random);

describe("what becomes of a push", () => {
  test("that was sent, or can never be taken: it ends", () => {
    expect(settle({ kind: "sent" })).toEqual({ kind: "sent" });
    expect(settle({ kind: "refused", reason: "PayloadTooLarge" })).toEqual({
      kind: "failed",
      reason: "PayloadTooLarge",
    });
  });

  test("that may come later: the wait doubles up to ten minutes, and a random part of it is waited", () => {
    for (const [tries, ms] of [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 64_000].entries()) {
      expect(settle({ kind: "later", reason: "busy" }, tries)).toEqual({
        kind: "again",
        runMs: NOW + ms,
        tries: tries + 1,
      });
      expect(settle({ kind: "later", reason: "busy" }, tries, () => 0)).toEqual({
        kind: "again",
        runMs: NOW,
        tries: tries + 1,
      });
    }
    expect(retryWait(9, rules, most)).toBe(512_000);
    expect(retryWait(10, rules, most)).toBe(600_000);
    expect(retryWait(1_000, rules, () => 0.5)).toBe(300_000);
  });

  test("after the eighth try, or the end of its life: it is given up with the provider's reason", () => {
    expect(settle({ kind: "later", reason: "busy" }, 6)).toMatchObject({ kind: "again", tries: 7 });
    expect(settle({ kind: "later", reason: "busy" }, 7)).toEqual({ kind: "failed", reason: "busy" });
    expect(settle({ kind: "later", reason: "busy" }, 0, most, NOW + 1_000)).toEqual({ kind: "failed", reason: "busy" });
    expect(settle({ kind: "later", reason: "busy" }, 0, most, NOW + 1_001)).toMatchObject({ kind: "again" });
  });

  test("that the provider wants later still: as long as it says", () => {
    const runMs = NOW + 30_000;
    expect(settle({ kind: "later", reason: "busy", delayMs: 30_000 })).toEqual({ kind: "again", runMs, tries: 1 });
    expect(settle({ kind: "later", reason: "busy", delayMs: DAY })).toEqual({ kind: "failed", reason: "busy" });
    expect(settle({ kind: "later", reason: "busy", delayMs: 5 }, 3)).toMatchObject({ runMs: NOW + 8_000 });
  });

  test("whose credential is refused: it waits, and burns no try", () => {
    for (const tries of [0, 7])
      expect(settle({ kind: "no_credential", reason: "InvalidProviderToken" }, tries, () => 0)).toEqual({
        kind: "again",
        runMs: NOW,
        tries,
      });
    const late = settle({ kind: "no_credential", reason: "InvalidProviderToken" }, 0, most, NOW);
    expect(late).toEqual({ kind: "failed", reason: "InvalidProviderToken" });
  });

  test("whose token is dead: the token goes as of the provider's time, or it is tried again if the app has a newer one", () => {
    const again = { runMs: NOW + 1_000, tries: 1 };
    expect(settle({ kind: "dead_token", reason: "Unregistered", sinceMs: 7 })).toEqual({
      kind: "dead_token",
      reason: "Unregistered",
      token: "token",
      sinceMs: 7,
      again,
    });
    expect(settle({ kind: "dead_token", reason: "Unregistered" }, 7)).toMatchObject({ again: undefined });
  });
});
