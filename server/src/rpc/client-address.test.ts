import { describe, expect, it } from "vitest";
import { createAddressOf } from "./client-address.js";

const from = (remoteAddress: string, forwarded?: string) => ({
  socket: { remoteAddress },
  headers: { "x-forwarded-for": forwarded },
});

describe("the client's address", () => {
  it("is the socket's, whatever a client claims", () => {
    const addressOf = createAddressOf([]);
    expect(addressOf(from("203.0.113.7", "10.0.0.1"))).toBe("203.0.113.7");
    expect(addressOf(from("::ffff:203.0.113.7"))).toBe("203.0.113.7");
    expect(createAddressOf(["10.0.0.0/8"])(from("203.0.113.7", "198.51.100.1"))).toBe("203.0.113.7");
  });

  it("behind trusted proxies is the last hop that is none of them", () => {
    const addressOf = createAddressOf(["10.0.0.0/8", "::1"]);
    expect(addressOf(from("10.1.2.3", "198.51.100.1"))).toBe("198.51.100.1");
    expect(addressOf(from("10.1.2.3", "1.1.1.1, 198.51.100.1, 10.9.9.9"))).toBe("198.51.100.1");
    expect(addressOf(from("::1", "2001:db8::5"))).toBe("2001:db8::5");
  });

  it("is the proxy's own when the header is missing or malformed", () => {
    const addressOf = createAddressOf(["10.0.0.0/8"]);
    expect(addressOf(from("10.1.2.3"))).toBe("10.1.2.3");
    expect(addressOf(from("10.1.2.3", "not an address"))).toBe("10.1.2.3");
  });

  it("stays the same however many addresses were seen meanwhile", () => {
    const addressOf = createAddressOf(["10.0.0.0/8"]);
    const addresses = Array.from({ length: 1_500 }, (_, at) => `${10 + (at % 2)}.0.${at >> 8}.${at & 255}`);
    const expected = addresses.map((address) => (address.startsWith("10.") ? "198.51.100.1" : address));
    for (let times = 0; times < 2; times++)
      expect(addresses.map((address) => addressOf(from(address, "198.51.100.1")))).toEqual(expected);
  });
});
