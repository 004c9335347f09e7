import { createPublicKey, createSecretKey, type KeyObject } from "node:crypto";
import type { TokenKey as TokenKeyRequest } from "@parley/proto/parley/v1/admin_service_pb.js";
import { type CryptoKey, createRemoteJWKSet, customFetch, type JWTVerifyGetKey } from "jose";
import type { AppRecord } from "../apps.js";
import type { Ctx } from "../context.js";
import { invalidField } from "../errors.js";
import { createFetchKeys } from "./fetch-keys.js";
import { parseNamedUrl } from "./named-url.js";

type Algorithm = "HS256" | "ES256" | "RS256" | "EdDSA" | "Ed25519";

/** A key that signed tokens are checked with. */
export interface TokenKey {
  /** The id a token must name, or empty for any token. */
  keyId: string;
  /** What the kind of key may be used for. */
  algorithms: readonly Algorithm[];
  key: KeyObject | CryptoKey | JWTVerifyGetKey;
}

/** The form that is sealed. */
interface StoredKey {
  kind: "hs256Secret" | "publicKeyPem" | "jwksUrl";
  value: string;
  keyId: string;
}

const EDWARDS: readonly Algorithm[] = ["EdDSA", "Ed25519"];
const PUBLIC: readonly Algorithm[] = ["ES256", "RS256", ...EDWARDS];
const RSA_BITS = 2048;

/** Checks the keys of a request and gives their sealed form, or null for none. Throws INVALID_FIELD. */
export function sealTokenKeys(ctx: Pick<Ctx, "secrets" | "fetch">, keys: readonly TokenKeyRequest[]): Buffer | null {
  if (keys.length === 0) return null;
  const stored = keys.map(({ key, keyId }, at): StoredKey => {
    if (key.case === undefined) throw invalidField(`keys[${at}].key`, "a key is required");
    const one: StoredKey = { kind: key.case, value: key.value, keyId };
    const parsed = parseKey(ctx, one);
    if (typeof parsed === "string") throw invalidField(`keys[${at}].${FIELDS[one.kind]}`, parsed);
    return one;
  });
  return ctx.secrets.seal(Buffer.from(JSON.stringify(stored)));
}

const FIELDS = { hs256Secret: "hs256_secret", publicKeyPem: "public_key_pem", jwksUrl: "jwks_url" } as const;

// Keyed by the stored bytes, which an app keeps until it changes, so that a JWKS document is fetched once in a while and not for every token.
const opened = new WeakMap<Uint8Array, readonly TokenKey[]>();

/** The keys of an app. */
export function tokenKeysOf(
  ctx: Pick<Ctx, "secrets" | "fetch">,
  { tokenKeys }: Pick<AppRecord, "tokenKeys">,
): readonly TokenKey[] {
  if (tokenKeys === null) return [];
  const known = opened.get(tokenKeys);
  if (known !== undefined) return known;
  const stored = JSON.parse(ctx.secrets.open(tokenKeys).toString()) as StoredKey[];
  const keys = stored.map((key) => parseKey(ctx, key)).filter((key) => typeof key !== "string");
  opened.set(tokenKeys, keys);
  return keys;
}

/** The key, or what is wrong with it. */
function parseKey(ctx: Pick<Ctx, "fetch">, stored: StoredKey): TokenKey | string {
  const { kind, value, keyId } = stored;
  if (kind === "hs256Secret") return { keyId, algorithms: ["HS256"], key: createSecretKey(Buffer.from(value)) };
  const parsed = kind === "publicKeyPem" ? parsePem(value) : parseUrl(ctx, value);
  return typeof parsed === "string" ? parsed : { keyId, ...parsed };
}

function parsePem(pem: string): Omit<TokenKey, "keyId"> | string {
  // Node would also take a private key and derive the public one: better to tell whoever sent a secret here.
  if (!/^\s*-----BEGIN PUBLIC KEY-----[^-]*-----END PUBLIC KEY-----\s*$/.test(pem))
    return "this is not one public key in PEM (SPKI) form";
  let key: KeyObject;
  try {
    key = createPublicKey(pem);
  } catch {
    return "this public key cannot be read";
  }
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = key;
  if (type === "ed25519") return { algorithms: EDWARDS, key };
  if (type === "ec" && details?.namedCurve === "prime256v1") return { algorithms: ["ES256"], key };
  if (type === "rsa" && (details?.modulusLength ?? 0) >= RSA_BITS) return { algorithms: ["RS256"], key };
  return `the key must be EC P-256 (ES256), RSA of at least ${RSA_BITS} bits (RS256) or Ed25519 (EdDSA)`;
}

function parseUrl({ fetch }: Pick<Ctx, "fetch">, text: string): Omit<TokenKey, "keyId"> | string {
  const url = parseNamedUrl(fetch, text);
  if (typeof url === "string") return url;
  return { algorithms: PUBLIC, key: createRemoteJWKSet(url, { [customFetch]: createFetchKeys(fetch) }) };
}
