import { describe, expect, test } from "vitest";
import { isLoopback, networkOf, plainAddress } from "./address.js";

describe("addresses", () => {
  test.each([
    ["192.0.2.7", "192.0.2.7"],
    ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2"],
    ["2001:db8:1:2::6", "2001:db8:1:2"],
    ["2001:db8::1", "2001:db8:0:0"],
    ["::1", "0:0:0:0"],
    ["fe80::1%eth0", "fe80:0:0:0"],
    ["", ""],
  ])("the network of %j is %j", (address, network) => expect(networkOf(address)).toBe(network));

  test("a dual-stack socket's IPv4 address is told as one", () => {
    expect(plainAddress("::ffff:192.0.2.7")).toBe("192.0.2.7");
    expect(plainAddress("2001:db8::1")).toBe("2001:db8::1");
  });

  test("the loopback is this machine in each of its forms", () => {
    expect(["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", "192.0.2.7"].map(isLoopback)).toEqual([
      true,
      true,
      true,
      true,
      false,
    ]);
  });
});
