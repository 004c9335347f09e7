import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decodeCursor, encodeCursor, type LogPlace } from "./cursor.js";

const place: fc.Arbitrary<LogPlace> = fc.record({
  generationId: fc.uint8Array({ minLength: 8, maxLength: 8 }).map((bytes) => Buffer.from(bytes).toString("hex")),
  pos: fc.integer({ min: 0, max: 2 ** 48 - 1 }),
});
const appId = fc.string({ minLength: 1, maxLength: 40 });

describe("cursor", () => {
  test("round trip", () => {
    fc.assert(
      fc.property(appId, place, (app, at) => {
        expect(decodeCursor(app, encodeCursor(app, at))).toEqual(at);
      }),
    );
  });

  test("one made right after another app's is its own, though their generations are named alike", () => {
    const at = { generationId: "0000000000000000", pos: 5 };
    const cursors = ["a", "b", "a"].map((app) => encodeCursor(app, at));
    expect(cursors[0]).toBe(cursors[2]);
    for (const [i, app] of ["a", "b", "a"].entries())
      for (const reader of ["a", "b"])
        expect(decodeCursor(reader, cursors[i] ?? "")).toEqual(reader === app ? at : undefined);
    const later = encodeCursor("a", { generationId: "0123456789abcdef", pos: 5 });
    expect(decodeCursor("a", later)).toEqual({ generationId: "0123456789abcdef", pos: 5 });
  });

  test("every flipped bit is refused", () => {
    fc.assert(
      fc.property(place, fc.nat(24 * 8 - 1), (at, bit) => {
        const bytes = Buffer.from(encodeCursor("a", at), "base64url");
        bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        expect(decodeCursor("a", bytes.toString("base64url"))).toBeUndefined();
      }),
    );
  });

  test("every truncation, every addition and what is no base64url is refused", () => {
    const cursor = encodeCursor("a", { generationId: "0123456789abcdef", pos: 77 });
    for (let length = 0; length < cursor.length; length++)
      expect(decodeCursor("a", cursor.slice(0, length))).toBeUndefined();
    for (const wrong of [`${cursor}A`, `${cursor}=`, ` ${cursor}`, `${cursor}\n`, "*".repeat(cursor.length)])
      expect(decodeCursor("a", wrong)).toBeUndefined();
  });

  test("random text is refused", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(decodeCursor("a", text)).toBeUndefined();
      }),
    );
  });

  test("another app's is refused", () => {
    fc.assert(
      fc.property(appId, appId, place, (app, other, at) => {
        fc.pre(app !== other);
        expect(decodeCursor(other, encodeCursor(app, at))).toBeUndefined();
      }),
    );
  });
});
