import { randomBytes } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import { type TokenKey, TokenKeySchema } from "@parley/proto/parley/v1/admin_service_pb.js";
import { type CryptoKey, exportPKCS8, exportSPKI, generateKeyPair, SignJWT, UnsecuredJWT } from "jose";
import { beforeAll, describe, expect, test } from "vitest";
import { createSafeFetch } from "../../ops/safe-fetch.js";
import { ErrorReason } from "../errors.js";
import { createSecretBox } from "../secret-box.js";
import { readSignedToken } from "./signed-claims.js";
import { sealTokenKeys, tokenKeysOf } from "./token-keys.js";

const nowMs = 1_800_000_000_000;
const now = nowMs / 1000;
const secret = "0123456789abcdef0123456789abcdef";
const hmac = new TextEncoder().encode(secret);
const ctx = {
  secrets: createSecretBox(randomBytes(32)),
  fetch: createSafeFetch({ allowedNetworks: ["127.0.0.1"], mostBytes: 1, timeoutMs: 1 }),
};
const wrong = expect.objectContaining({ reason: ErrorReason.WRONG_CREDENTIAL });

interface KeyRequest {
  case: "hs256Secret" | "publicKeyPem" | "jwksUrl";
  value: string;
  keyId?: string;
}

const seal = (keys: KeyRequest[]) =>
  sealTokenKeys(
    ctx,
    keys.map(({ keyId = "", ...key }) => create(TokenKeySchema, { key: key as TokenKey["key"], keyId })),
  );

function keysOf(...keys: KeyRequest[]) {
  return tokenKeysOf(ctx, { tokenKeys: seal(keys) });
}

function sign(alg: string, key: CryptoKey | Uint8Array, claims: Record<string, unknown> = {}, kid?: string) {
  const all = { sub: "Tom", aud: "app", iat: now, exp: now + 600, ...claims };
  return new SignJWT(all).setProtectedHeader({ alg, ...(kid !== undefined && { kid }) }).sign(key);
}

describe("a token signed by the app's backend", () => {
  const shared = keysOf({ case: "hs256Secret", value: secret });
  const read = async (token: string | Promise<string>, keys = shared) =>
    await readSignedToken(await token, keys, "app", nowMs);

  test("tells the user, its id and its end", async () => {
    const claims = await read(sign("HS256", hmac, { jti: "once" }));
    expect(claims).toEqual({ userId: "Tom", tokenId: "once", expireMs: nowMs + 600_000 });
    expect((await read(sign("HS256", hmac))).tokenId).toBeUndefined();
  });

  test.each<[string, Record<string, unknown>]>([
    ["for another app", { aud: "other" }],
    ["for no app", { aud: undefined }],
    ["that has just expired", { exp: now }],
    ["that lives a second more than a day", { exp: now + 86_401 }],
    ["that never expires", { exp: undefined }],
    ["without its time", { iat: undefined }],
    ["from the future", { iat: now + 61, exp: now + 600 }],
    ["not valid yet", { nbf: now + 120 }],
    ["of nobody", { sub: undefined }],
    ["of an id that cannot be", { sub: "Tom and Jerry" }],
    ["with an empty id", { jti: "" }],
  ])("one %s is refused", async (_, claims) => {
    await expect(read(sign("HS256", hmac, claims))).rejects.toEqual(wrong);
  });

  test("a day and a clock a minute ahead are accepted", async () => {
    await expect(read(sign("HS256", hmac, { exp: now + 86_400 }))).resolves.toBeDefined();
    await expect(read(sign("HS256", hmac, { iat: now + 60 }))).resolves.toBeDefined();
  });

  test("one that is not signed, cut, or by another secret is refused", async () => {
    const claims = { sub: "Tom", aud: "app", iat: now, exp: now + 600 };
    await expect(read(new UnsecuredJWT(claims).encode())).rejects.toEqual(wrong);
    await expect(read((await sign("HS256", hmac)).slice(0, -1))).rejects.toEqual(wrong);
    await expect(read("not a token")).rejects.toEqual(wrong);
    await expect(read(sign("HS256", randomBytes(32)))).rejects.toEqual(wrong);
    await expect(read(sign("HS512", randomBytes(64)))).rejects.toEqual(wrong);
  });

  test("a key with an id is for tokens that name it", async () => {
    const keys = keysOf({ case: "hs256Secret", value: secret, keyId: "2027" });
    await expect(read(sign("HS256", hmac, {}, "2027"), keys)).resolves.toBeDefined();
    await expect(read(sign("HS256", hmac, {}, "../2027"), keys)).rejects.toEqual(wrong);
    await expect(read(sign("HS256", hmac), keys)).rejects.toEqual(wrong);
  });
});

describe("public keys", () => {
  const pairs: Record<string, { publicKey: CryptoKey; privateKey: CryptoKey; pem: string }> = {};
  beforeAll(async () => {
    for (const alg of ["ES256", "RS256", "EdDSA", "ES384"]) {
      const pair = await generateKeyPair(alg, { extractable: true });
      pairs[alg] = { ...pair, pem: await exportSPKI(pair.publicKey) };
    }
  });
  const pairOf = (alg: string) => {
    const pair = pairs[alg];
    if (pair === undefined) throw new Error(`no pair for ${alg}`);
    return pair;
  };

  test.each(["ES256", "RS256", "EdDSA"])("%s", async (alg) => {
    const { privateKey, pem } = pairOf(alg);
    const keys = keysOf({ case: "hs256Secret", value: secret }, { case: "publicKeyPem", value: pem });
    const { userId } = await readSignedToken(await sign(alg, privateKey), keys, "app", nowMs);
    expect(userId).toBe("Tom");
  });

  test("a public key is never taken for a shared secret", async () => {
    const { pem } = pairOf("RS256");
    const keys = keysOf({ case: "publicKeyPem", value: pem });
    const forged = await sign("HS256", new TextEncoder().encode(pem));
    await expect(readSignedToken(forged, keys, "app", nowMs)).rejects.toEqual(wrong);
  });

  test("what cannot be a key is refused when it is set, by its place", async () => {
    const good: KeyRequest = { case: "publicKeyPem", value: pairOf("ES256").pem };
    const refused = (field: string) =>
      expect.objectContaining({ reason: ErrorReason.INVALID_FIELD, facts: { field: `keys[1].${field}` } });
    const bad: KeyRequest[] = [
      { case: "publicKeyPem", value: await exportPKCS8(pairOf("ES256").privateKey) },
      { case: "publicKeyPem", value: pairOf("ES384").pem },
      { case: "publicKeyPem", value: pairOf("ES256").pem.replace(/\n..../, "\nAAAA") },
      { case: "publicKeyPem", value: "hello" },
    ];
    for (const key of bad) expect(() => seal([good, key])).toThrow(refused("public_key_pem"));
    for (const value of [
      "http://example.org/jwks",
      "https://",
      "https://a:b@example.org/",
      "ftp://example.org",
      "https://10.0.0.1/",
    ])
      expect(() => seal([good, { case: "jwksUrl", value }])).toThrow(refused("jwks_url"));
    expect(() => seal([good, { case: "jwksUrl", value: "http://127.0.0.1:8080/jwks" }])).not.toThrow();
  });

  test("are sealed, and none is null", () => {
    expect(seal([{ case: "hs256Secret", value: secret }])?.includes(secret)).toBe(false);
    expect(seal([])).toBeNull();
  });
});
