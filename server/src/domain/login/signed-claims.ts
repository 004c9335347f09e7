import { decodeProtectedHeader, type JWTPayload } from "jose";
import { DomainError, ErrorReason } from "../errors.js";
import type { TokenKey } from "./token-keys.js";
import { verifyJwt } from "./verify-jwt.js";

/** What a token that is good says. */
export interface SignedClaims {
  userId: string;
  /** The id of a token that may be used once. */
  tokenId: string | undefined;
  expireMs: number;
}

const LONGEST_LIFE_SECONDS = 86_400;
/** How far ahead the clock of the app's backend may be. */
const SKEW_SECONDS = 60;
const USER_ID = /^[A-Za-z0-9_-]{1,128}$/;

/** Checks the signature and the claims of a token by the keys of its app. Throws WRONG_CREDENTIAL, which tells nothing more. */
export async function readSignedToken(
  token: string,
  keys: readonly TokenKey[],
  appId: string,
  nowMs: number,
): Promise<SignedClaims> {
  const header = headerOf(token);
  for (const key of keys) {
    // The kind of key says which algorithms it may be used with, never the token: a public key must not become a shared secret.
    if (!key.algorithms.some((algorithm) => algorithm === header.alg)) continue;
    if (key.keyId !== "" && key.keyId !== header.kid) continue;
    const payload = await verifyJwt(token, key.key, {
      algorithms: [...key.algorithms],
      audience: appId,
      requiredClaims: ["sub", "iat", "exp"],
      clockTolerance: SKEW_SECONDS,
      currentDate: new Date(nowMs),
    });
    if (payload !== undefined) return claimsOf(payload, nowMs);
  }
  throw wrongToken();
}

export function wrongToken(): DomainError {
  return new DomainError(ErrorReason.WRONG_CREDENTIAL, "the signed token is not good", { field: "signed_token.token" });
}

function headerOf(token: string): { alg?: unknown; kid?: unknown } {
  try {
    return decodeProtectedHeader(token);
  } catch {
    throw wrongToken();
  }
}

function claimsOf({ sub, iat, exp, jti }: JWTPayload, nowMs: number): SignedClaims {
  const now = nowMs / 1000;
  // The types are the library's hope; what a token holds is its maker's.
  if (typeof sub !== "string" || iat === undefined || exp === undefined) throw wrongToken();
  // The tolerance above is for clocks that are ahead; a token that has expired has expired.
  if (!USER_ID.test(sub) || exp <= now || iat > now + SKEW_SECONDS || exp - iat > LONGEST_LIFE_SECONDS)
    throw wrongToken();
  if (jti !== undefined && (typeof jti !== "string" || jti === "")) throw wrongToken();
  return { userId: sub, tokenId: jti, expireMs: Math.ceil(exp * 1000) };
}
