import { hash, randomBytes, randomInt } from "node:crypto";
import { crc32 } from "node:zlib";

/** What the token of each kind begins with, so that a look tells what leaked and a look-up knows where to look. */
export const SESSION_PREFIX = "ps_";
export const SERVICE_PREFIX = "pk_";
const CLIENT_PREFIX = "pc_";
const OPERATOR_PREFIX = "po_";

const secret = (): string => randomBytes(32).toString("base64url");
export const newSessionToken = (): string => withSum(SESSION_PREFIX + secret());
export const newServiceKey = (): string => SERVICE_PREFIX + secret();
export const newOperatorToken = (): string => OPERATOR_PREFIX + secret();
export const newClientKey = (): string => CLIENT_PREFIX + randomBytes(18).toString("base64url");

/** The form a token is stored and looked up in: 256 random bits need no slow hash, and a look-up by hash leaks nothing by its timing. */
export const tokenHash = (token: string): string => hash("sha256", token, "hex");

/** Whether a session token has the form we give them: one that is unknown was good once, so its session has ended. No proof of anything. */
export function looksIssued(token: string): boolean {
  return withSum(token.slice(0, -SUM_LETTERS)) === token;
}

const SUM_LETTERS = 6;

function withSum(text: string): string {
  const sum = Buffer.alloc(4);
  sum.writeUInt32BE(crc32(text));
  return text + sum.toString("base64url");
}

const APP_ID_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789";

export function newAppId(): string {
  return Array.from({ length: 12 }, () => APP_ID_LETTERS.charAt(randomInt(APP_ID_LETTERS.length))).join("");
}
