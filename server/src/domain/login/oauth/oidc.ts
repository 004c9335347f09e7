import { createHash } from "node:crypto";
import type { OauthCredential } from "@parley/proto/parley/v1/auth_service_pb.js";
import { createRemoteJWKSet, customFetch, type JWTVerifyGetKey } from "jose";
import { createFetchKeys } from "../fetch-keys.js";
import { parseNamedUrl } from "../named-url.js";
import { verifyJwt } from "../verify-jwt.js";
import {
  type AskCtx,
  type AskProvider,
  askForObject,
  below,
  confirmed,
  needed,
  providerBusy,
  wrongProof,
} from "./identity.js";

/** A provider of OpenID Connect. */
export interface OidcSetting {
  issuer: string;
  audiences: readonly string[];
  /** Empty: the document that the provider's own configuration names. */
  jwksUrl: string;
  requireNonce: boolean;
}

// What has a public key: a token says which of them it uses, and the keys of the document which they are for.
const ALGORITHMS = ["RS256", "ES256", "EdDSA", "Ed25519"];
const SKEW_SECONDS = 60;

/** Verifies an id token by the keys of its provider. */
export function askOidc(setting: OidcSetting, base = setting.issuer): AskProvider {
  let found: Promise<JWTVerifyGetKey> | undefined;
  /** The keys are found once; what failed is tried again by the next login. */
  const keysOf = (ctx: AskCtx): Promise<JWTVerifyGetKey> => {
    found ??= findKeys(ctx, setting, base).catch((error: unknown) => {
      found = undefined;
      throw error;
    });
    return found;
  };
  return async (ctx, credential) => {
    const idToken = needed(credential, "idToken");
    const nowMs = ctx.clock.now();
    const claims = await verifyJwt(idToken, await keysOf(ctx), {
      algorithms: ALGORITHMS,
      issuer: setting.issuer,
      audience: [...setting.audiences],
      requiredClaims: ["sub", "iat", "exp"],
      clockTolerance: SKEW_SECONDS,
      currentDate: new Date(nowMs),
    });
    // The tolerance is for clocks that are ahead; a token that has expired has expired.
    if (claims?.exp === undefined || claims.iat === undefined || claims.exp * 1000 <= nowMs) throw wrongProof();
    if (claims.iat * 1000 > nowMs + SKEW_SECONDS * 1000) throw wrongProof();
    const identity = confirmed(claims.sub, credential.externalUserId);
    if (!setting.requireNonce) return identity;
    const value = checkedNonce(claims.nonce, credential);
    return { ...identity, once: { value, expireMs: Math.ceil(claims.exp * 1000) } };
  };
}

/** The nonce of a token, if it was made from what the client says it was made from. */
function checkedNonce(nonce: unknown, { extra }: OauthCredential): string {
  const raw = extra?.nonce;
  if (typeof nonce !== "string" || nonce === "" || typeof raw !== "string") throw wrongProof();
  if (nonce !== raw && nonce !== createHash("sha256").update(raw).digest("hex")) throw wrongProof();
  return nonce;
}

async function findKeys(ctx: AskCtx, setting: OidcSetting, base: string): Promise<JWTVerifyGetKey> {
  const url = setting.jwksUrl === "" ? await discover(ctx, setting.issuer, base) : new URL(setting.jwksUrl);
  const fetchKeys = createFetchKeys(ctx.fetch);
  return createRemoteJWKSet(url, {
    [customFetch]: (...request) => ctx.outward(ctx.app.appId, () => fetchKeys(...request)),
  });
}

async function discover(ctx: AskCtx, issuer: string, base: string): Promise<URL> {
  const url = below(base, "/.well-known/openid-configuration");
  const configuration = await askForObject(ctx, () => ctx.fetch.get(url, {}));
  // A document that speaks for another issuer must not vouch for this one.
  if (configuration.issuer !== issuer || typeof configuration.jwks_uri !== "string") throw providerBusy();
  const keys = parseNamedUrl(ctx.fetch, configuration.jwks_uri);
  if (typeof keys === "string") throw providerBusy();
  return keys;
}
