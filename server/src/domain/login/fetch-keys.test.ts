import { create } from "@bufbuild/protobuf";
import { TokenKeySchema } from "@parley/proto/parley/v1/admin_service_pb.js";
import { exportJWK, generateKeyPair, SignJWT } from "jose";
import { expect, test, vi } from "vitest";
import type { FetchedDocument, SafeFetch } from "../../ops/safe-fetch.js";
import { ErrorReason } from "../errors.js";
import { createSecretBox } from "../secret-box.js";
import { readSignedToken } from "./signed-claims.js";
import { sealTokenKeys, tokenKeysOf } from "./token-keys.js";

const secrets = createSecretBox(Buffer.alloc(32));
const now = 1_800_000_000;
const busy = expect.objectContaining({ reason: ErrorReason.SERVER_BUSY });
const wrong = expect.objectContaining({ reason: ErrorReason.WRONG_CREDENTIAL });

function keysAt(get: () => Promise<FetchedDocument>) {
  const fetch: SafeFetch = { refusal: () => undefined, get, post: get };
  const ctx = { secrets, fetch };
  const url = { case: "jwksUrl" as const, value: "https://keys.example.org/jwks" };
  const tokenKeys = sealTokenKeys(ctx, [create(TokenKeySchema, { key: url })]);
  return tokenKeysOf(ctx, { tokenKeys });
}

const answer = async (text: string, status = 200) => ({ status, body: Buffer.from(text) });

async function pairOf(kid: string) {
  const { publicKey, privateKey } = await generateKeyPair("ES256", { extractable: true });
  const sign = (header = {}) =>
    new SignJWT({ sub: "Tom", aud: "app", iat: now, exp: now + 60 })
      .setProtectedHeader({ alg: "ES256", ...header })
      .sign(privateKey);
  return { jwk: { ...(await exportJWK(publicKey)), kid }, sign };
}

const read = (token: string, keys: ReturnType<typeof keysAt>) => readSignedToken(token, keys, "app", now * 1000);

test("the keys of a JWKS document are fetched once, and each is tried for a token that names none", async () => {
  const [a, b, foreign] = await Promise.all(["a", "b", "c"].map(pairOf));
  if (a === undefined || b === undefined || foreign === undefined) throw new Error("no keys");
  const get = vi.fn(() => answer(JSON.stringify({ keys: [a.jwk, b.jwk] })));
  const keys = keysAt(get);
  expect((await read(await a.sign({ kid: "a" }), keys)).userId).toBe("Tom");
  expect((await read(await b.sign(), keys)).userId).toBe("Tom");
  await expect(read(await a.sign({ kid: "b" }), keys)).rejects.toEqual(wrong);
  await expect(read(await foreign.sign({ kid: "c" }), keys)).rejects.toEqual(wrong);
  expect(get).toHaveBeenCalledOnce();
});

test.each([
  ["fails", () => Promise.reject(new TypeError("connect failed"))],
  ["answers an error", () => answer("{}", 500)],
  ["redirects", () => answer("", 302)],
])("when the address %s, the same token may be good later", async (_, get) => {
  const { sign } = await pairOf("a");
  await expect(read(await sign(), keysAt(get))).rejects.toEqual(busy);
});

test.each(["no JSON", "[]", '{"keys":[{"kty":"EC"}]}'])("a document of %s gives no good token", async (text) => {
  const { sign } = await pairOf("a");
  await expect(
    read(
      await sign(),
      keysAt(() => answer(text)),
    ),
  ).rejects.toMatchObject({
    reason: expect.toBeOneOf([ErrorReason.SERVER_BUSY, ErrorReason.WRONG_CREDENTIAL]),
  });
});
