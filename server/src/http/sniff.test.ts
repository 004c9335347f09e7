import { describe, expect, test } from "vitest";
import { protocolOf } from "./sniff.js";

const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

describe("protocolOf", () => {
  test("every start of the preface is undecided, the whole is HTTP/2", () => {
    for (let n = 0; n < preface.length; n += 1) expect(protocolOf(Buffer.from(preface.slice(0, n)))).toBeUndefined();
    expect(protocolOf(Buffer.from(preface))).toBe("h2");
    expect(protocolOf(Buffer.from(`${preface}\0\0\0`))).toBe("h2");
  });

  test.each(["GET / HTTP/1.1", "P", "POST", "PROPFIND", "PRI * HTTP/1.1", `${preface.slice(0, -1)}x`, "\x16\x03\x01"])(
    "%j",
    (head) => expect(protocolOf(Buffer.from(head))).toBe(head === "P" ? undefined : "h1"),
  );
});
