import { errors, type JWTPayload, type JWTVerifyOptions, jwtVerify } from "jose";
import { DomainError } from "../errors.js";
import { unreachable } from "./fetch-keys.js";
import type { TokenKey } from "./token-keys.js";

/** The claims of a token, or undefined when the key does not fit. Throws SERVER_BUSY when the keys cannot be had just now. */
export async function verifyJwt(
  token: string,
  key: TokenKey["key"],
  options: JWTVerifyOptions,
): Promise<JWTPayload | undefined> {
  try {
    const { payload } =
      typeof key === "function" ? await jwtVerify(token, key, options) : await jwtVerify(token, key, options);
    return payload;
  } catch (error) {
    if (error instanceof errors.JWKSMultipleMatchingKeys) {
      for await (const candidate of error) {
        const payload = await verifyJwt(token, candidate, options);
        if (payload !== undefined) return payload;
      }
      return undefined;
    }
    if (error instanceof DomainError) throw error;
    if (error instanceof errors.JWKSInvalid) throw unreachable(error);
    // Whatever else it is, a token or a foreign document made it: this key does not fit.
    return undefined;
  }
}
