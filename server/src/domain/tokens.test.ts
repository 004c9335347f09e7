import { expect, test } from "vitest";
import { looksIssued, newAppId, newClientKey, newServiceKey, newSessionToken, tokenHash } from "./tokens.js";

test("tokens tell their kind and are long", () => {
  expect(newSessionToken()).toMatch(/^ps_[\w-]{49}$/);
  expect(newServiceKey()).toMatch(/^pk_[\w-]{43}$/);
  expect(newClientKey()).toMatch(/^pc_[\w-]{24}$/);
  expect(newAppId()).toMatch(/^[a-z0-9]{12}$/);
  expect(new Set(Array.from({ length: 100 }, newSessionToken)).size).toBe(100);
});

test("a session token of ours is told from a made-up one", () => {
  const token = newSessionToken();
  expect(looksIssued(token)).toBe(true);
  expect(looksIssued(`${token.slice(0, 10)}${token.charAt(10) === "a" ? "b" : "a"}${token.slice(11)}`)).toBe(false);
  expect(looksIssued("ps_")).toBe(false);
});

test("what is stored is the SHA-256", () => {
  expect(tokenHash("abc")).toBe("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
});
