import { createHmac, timingSafeEqual } from "node:crypto";

/** A login token: the user and a signature by the server's secret. */
export function signToken(user: string, secret: string): string {
  return `${user}.${createHmac("sha256", secret).update(user).digest("base64url")}`;
}

/** The user of a token; undefined when it is not ours. */
export function verifyToken(token: unknown, secret: string): string | undefined {
  if (typeof token !== "string") return undefined;
  const user = token.slice(0, token.lastIndexOf("."));
  const [given, expected] = [Buffer.from(token), Buffer.from(signToken(user, secret))];
  return given.length === expected.length && timingSafeEqual(given, expected) ? user : undefined;
}
