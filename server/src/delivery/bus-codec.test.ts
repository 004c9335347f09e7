import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { LogRange } from "../ports.js";
import { decode, encodeRange, encodeSignal, encodeTransient } from "./bus-codec.js";

const WIDE = 1_000_000;
const content = fc.record({
  kind: fc.integer({ min: 0, max: 65_535 }),
  audiences: fc.array(fc.stringMatching(/^[usgr]:[\w-]{1,20}$/), { minLength: 1, maxLength: 3 }),
  payload: fc.uint8Array({ maxLength: 50 }).map((bytes) => Buffer.from(bytes)),
});
const named = fc.record({
  senderId: fc.stringMatching(/^[\w-]{0,20}$/),
  clientMessageId: fc.stringMatching(/^[\w-]{1,20}$/),
  hash: fc.stringMatching(/^[0-9a-f]{32}$/),
});
const range = fc
  .record({
    generationId: fc.stringMatching(/^[0-9a-f]{16}$/),
    generationFirstPos: fc.integer({ min: 0, max: 2 ** 47 }),
    firstPos: fc.integer({ min: 1, max: 2 ** 47 }),
    contents: fc.array(content, { minLength: 1, maxLength: 4 }),
  })
  .map(
    ({ firstPos, contents, ...log }): LogRange => ({
      appId: "app",
      ...log,
      events: contents.map((event, at) => ({ ...event, pos: firstPos + at })),
    }),
  );

describe("what goes over the bus", () => {
  test("a range is read as it was written", () =>
    fc.assert(
      fc.property(range, (written) => {
        expect(decode("app", encodeRange(written, WIDE))).toEqual({ form: "range", range: written });
      }),
    ));

  test("a transient event is read as it was written, without what is counted of it", () =>
    fc.assert(
      fc.property(content, fc.option(named, { nil: undefined }), (written, sent) => {
        const facts = { atMs: 1, senderId: "tom", content: "text", mediaBytes: 0 };
        const event = { appId: "app", ...written, ...(sent !== undefined && { sent }) };
        expect(decode("app", encodeTransient({ ...event, facts }))).toEqual({ form: "transient", event });
      }),
    ));

  test("a signal is read as it was written, by those of its app", () => {
    const signal = { appId: "app", kind: "app_changed", times: 2, names: ["a", "ü"] };
    expect(decode("app", encodeSignal(signal))).toEqual({ form: "signal", signal });
    expect(decode("other", encodeSignal(signal))).toBe("malformed");
    expect(decode("app", Buffer.from([1, 4, ...Buffer.from('{"appId":"app"}')]))).toBe("malformed");
  });

  test("a range of the most bytes goes whole, a larger one rings", () => {
    const event = { kind: 1, audiences: ["u:tom"], payload: Buffer.alloc(100) };
    const log = { appId: "app", generationId: "00000000000000ff", generationFirstPos: 2 };
    const written = { ...log, events: [5, 6, 7].map((pos) => ({ ...event, pos })) };
    const { length } = encodeRange(written, WIDE);
    expect(decode("app", encodeRange(written, length))).toMatchObject({ form: "range" });
    expect(decode("app", encodeRange(written, length - 1))).toEqual({
      form: "doorbell",
      bell: { ...log, firstPos: 5, lastPos: 7 },
    });
  });

  test("what is cut short, too long or nonsense is malformed; another version is known as one", () => {
    fc.assert(
      fc.property(range, fc.nat(), (written, cut) => {
        const bytes = encodeRange(written, WIDE);
        expect(decode("app", bytes.subarray(0, 1 + (cut % (bytes.length - 1))))).toBe("malformed");
        expect(decode("app", Buffer.concat([bytes, Buffer.alloc(1)]))).toBe("malformed");
        expect(decode("app", Buffer.concat([Buffer.from([2]), bytes.subarray(1)]))).toBe("version");
      }),
    );
    expect(decode("app", new Uint8Array())).toBe("malformed");
    expect(decode("app", Buffer.from([1, 9]))).toBe("malformed");
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        decode("app", Buffer.from([1, ...bytes]));
      }),
    );
  });
});
