import { create } from "@bufbuild/protobuf";
import { TokenKeySchema } from "@parley/proto/parley/v1/admin_service_pb.js";
import { exportJWK, generateKeyPair, SignJWT } from "jose";
import { afterEach, expect, test, vi } from "vitest";
import { APP_DEFAULTS } from "../../limits.js";
import { ErrorReason } from "../errors.js";
import { createSecretBox } from "../secret-box.js";
import { readSignedToken } from "./signed-claims.js";
import { sealTokenKeys, tokenKeysOf } from "./token-keys.js";

const secrets = createSecretBox(Buffer.alloc(32));
const now = 1_800_000_000;
const busy = expect.objectContaining({ reason: ErrorReason.SERVER_BUSY });
const wrong = expect.objectContaining({ reason: ErrorReason.WRONG_CREDENTIAL });

function keysAt(jwksUrl: string) {
  const tokenKeys = sealTokenKeys({ secrets }, [create(TokenKeySchema, { key: { case: "jwksUrl", value: jwksUrl } })]);
  return tokenKeysOf(
    { secrets },
    { appId: "app", name: "", clientKey: "", createMs: 0, rules: APP_DEFAULTS, tokenKeys },
  );
}

async function pairOf(kid: string) {
  const { publicKey, privateKey } = await generateKeyPair("ES256", { extractable: true });
  const sign = (header = {}) =>
    new SignJWT({ sub: "Tom", aud: "app", iat: now, exp: now + 60 })
      .setProtectedHeader({ alg: "ES256", ...header })
      .sign(privateKey);
  return { jwk: { ...(await exportJWK(publicKey)), kid }, sign };
}

const read = (token: string, keys: ReturnType<typeof keysAt>) => readSignedToken(token, keys, "app", now * 1000);

afterEach(() => void vi.restoreAllMocks());

test("the keys of a JWKS document are fetched once, and each is tried for a token that names none", async () => {
  const [a, b, foreign] = await Promise.all(["a", "b", "c"].map(pairOf));
  if (a === undefined || b === undefined || foreign === undefined) throw new Error("no keys");
  const fetched = vi.spyOn(globalThis, "fetch").mockImplementation(async () => Response.json({ keys: [a.jwk, b.jwk] }));
  const keys = keysAt("https://keys.example.org/jwks");
  expect((await read(await a.sign({ kid: "a" }), keys)).userId).toBe("Tom");
  expect((await read(await b.sign(), keys)).userId).toBe("Tom");
  await expect(read(await a.sign({ kid: "b" }), keys)).rejects.toEqual(wrong);
  await expect(read(await foreign.sign({ kid: "c" }), keys)).rejects.toEqual(wrong);
  expect(fetched).toHaveBeenCalledOnce();
  expect(fetched.mock.calls[0]?.[1]).toMatchObject({ redirect: "manual" });
});

test.each([
  ["fails", () => Promise.reject(new TypeError("fetch failed"))],
  ["answers an error", async () => new Response("{}", { status: 500 })],
  ["redirects", async () => new Response(null, { status: 302, headers: { location: "http://10.0.0.1/" } })],
  ["is endless", async () => new Response(new Uint8Array(300 * 1024))],
])("when the address %s, the same token may be good later", async (name, answer) => {
  vi.spyOn(globalThis, "fetch").mockImplementation(answer);
  const { sign } = await pairOf("a");
  await expect(read(await sign(), keysAt(`https://${name.replaceAll(" ", "-")}.example.org/`))).rejects.toEqual(busy);
});

test.each(["no JSON", "[]", '{"keys":[{"kty":"EC"}]}'])("a document of %s gives no good token", async (text) => {
  vi.spyOn(globalThis, "fetch").mockImplementation(async () => new Response(text));
  const { sign } = await pairOf("a");
  await expect(read(await sign(), keysAt("https://broken.example.org/"))).rejects.toMatchObject({
    reason: expect.toBeOneOf([ErrorReason.SERVER_BUSY, ErrorReason.WRONG_CREDENTIAL]),
  });
});
