import { describe, expect, test } from "vitest";
import { createAdmission } from "./admission.js";

describe("connections of one address", () => {
  const setUp = (perAddress: number, perSecond: number) => {
    let nowMs = 0;
    const admit = createAdmission({
      perAddress,
      perSecond,
      exempt: (address) => address === "127.0.0.1",
      nowMs: () => nowMs,
    });
    return { admit, pass: (ms: number) => (nowMs += ms) };
  };

  test("are bounded at once, and one that ends makes room", () => {
    const { admit, pass } = setUp(2, 1000);
    const leave = admit("192.0.2.1");
    expect(admit("192.0.2.1")).toBeDefined();
    pass(1000);
    expect(admit("::ffff:192.0.2.1")).toBeUndefined();
    expect(admit("192.0.2.2")).toBeDefined();
    leave?.();
    expect(admit("192.0.2.1")).toBeDefined();
  });

  test("are bounded over time, however soon they end", () => {
    const { admit, pass } = setUp(3, 2);
    const come = () => {
      const leave = admit("192.0.2.1");
      leave?.();
      return leave !== undefined;
    };
    expect([come(), come(), come(), come()]).toEqual([true, true, true, false]);
    pass(500);
    expect([come(), come()]).toEqual([true, false]);
    pass(60_000);
    expect([come(), come(), come(), come()]).toEqual([true, true, true, false]);
  });

  test("are counted together over all addresses of an IPv6 network", () => {
    const { admit } = setUp(2, 1);
    expect([1, 2, 3].map((host) => admit(`2001:db8::${host}`) !== undefined)).toEqual([true, true, false]);
    expect(admit("2001:db8:0:1::1")).toBeDefined();
  });

  test("are not counted where an address stands for many", () => {
    const { admit } = setUp(1, 1);
    for (let at = 0; at < 10; at += 1) expect(admit("127.0.0.1")).toBeDefined();
  });
});
