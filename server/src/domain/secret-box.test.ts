import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { loadOperatorToken } from "./operator-token.js";
import { createSecretBox, loadSecretKey } from "./secret-box.js";

describe("secret box", () => {
  const box = createSecretBox(randomBytes(32));
  const plain = Buffer.from("the secret");

  test("opens what it sealed, and seals it differently each time", () => {
    const [a, b] = [box.seal(plain), box.seal(plain)];
    expect(box.open(a)).toEqual(plain);
    expect(a).not.toEqual(b);
    expect(a.includes(plain)).toBe(false);
    expect(box.open(box.seal(Buffer.of()))).toEqual(Buffer.of());
  });

  test("hashes texts by its key, each by what it is and where it stands", () => {
    expect(box.mac("a", "bc")).toMatch(/^[0-9a-f]{64}$/);
    expect(box.mac("a", "bc")).toBe(box.mac("a", "bc"));
    const others = [
      box.mac("ab", "c"),
      box.mac("abc"),
      box.mac("bc", "a"),
      createSecretBox(randomBytes(32)).mac("a", "bc"),
    ];
    expect(new Set([box.mac("a", "bc"), ...others]).size).toBe(5);
  });

  test("refuses every flipped byte, a cut, and another key", () => {
    const sealed = box.seal(plain);
    for (let at = 0; at < sealed.length; at++) {
      const bent = Buffer.from(sealed);
      bent[at] = (bent[at] ?? 0) ^ 1;
      expect(() => box.open(bent)).toThrow();
    }
    expect(() => box.open(sealed.subarray(0, -1))).toThrow();
    expect(() => box.open(Buffer.of())).toThrow();
    expect(() => createSecretBox(randomBytes(32)).open(sealed)).toThrow();
  });

  test("needs a key of 32 bytes", () => expect(() => createSecretBox(randomBytes(31))).toThrow("31 bytes"));
});

describe("secrets in the data folder", () => {
  let folder = "";
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "parley-secrets-"));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  test("the key is made once, for its owner alone, also in a folder that is not there yet", () => {
    const data = join(folder, "data");
    const key = loadSecretKey(data, undefined);
    expect(key).toHaveLength(32);
    expect(loadSecretKey(data, undefined)).toEqual(key);
    expect(statSync(join(data, "secret-key")).mode & 0o777).toBe(0o600);
    expect(statSync(data).mode & 0o777).toBe(0o700);
  });

  test("a setting goes before the file, in hex or base64", () => {
    const key = randomBytes(32);
    expect(loadSecretKey(folder, key.toString("hex"))).toEqual(key);
    expect(loadSecretKey(folder, key.toString("base64"))).toEqual(key);
    expect(loadSecretKey(folder, key.toString("base64url"))).toEqual(key);
  });

  test("a damaged file is no reason for a new key, which could open nothing", () => {
    const data = mkdtempSync(join(folder, "damaged-"));
    writeFileSync(join(data, "secret-key"), "short\n");
    expect(() => loadSecretKey(data, undefined)).toThrow("secret-key is not a key of 32 bytes");
  });

  test("the operator token is made once, and a setting goes before it", () => {
    const token = loadOperatorToken(folder, undefined);
    expect(token).toMatch(/^po_[\w-]{43}$/);
    expect(loadOperatorToken(folder, undefined)).toBe(token);
    expect(loadOperatorToken(folder, "given")).toBe("given");
    expect(statSync(join(folder, "operator-token")).mode & 0o777).toBe(0o600);
  });
});
