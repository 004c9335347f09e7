import { createHmac, hkdfSync, timingSafeEqual } from "node:crypto";
import type { BlobName, BlobPart } from "../../ports.js";
import { DomainError, ErrorReason } from "../errors.js";

/** What an address allows whoever has it. */
export interface UrlGrant extends BlobName {
  may: "put" | "get";
  part: BlobPart;
  expireMs: number;
}

/** The addresses of attachments' bytes: each says what it allows and until when, under a mark that only this server can make. */
export interface SignedUrls {
  /** The path and query of an address. Its end is rounded up to a second. */
  targetOf(grant: UrlGrant): string;
  /** What a path and query allow. Throws UNAUTHENTICATED for one that is over, or was not made here. */
  read(target: string, may: UrlGrant["may"], nowMs: number): UrlGrant;
}

export const ATTACHMENTS_PATH = "/attachments/";

const TARGET =
  /^\/attachments\/([A-Za-z0-9_-]{1,128})\/([A-Za-z0-9_-]{1,128})\/(original|thumbnail)\?expires=(\d{1,12})&signature=([A-Za-z0-9_-]{43})$/;

/** Makes addresses under a key that is derived from the server's. */
export function createSignedUrls(secretKey: Uint8Array): SignedUrls {
  const key = Buffer.from(hkdfSync("sha256", secretKey, "", "attachment addresses", 32));
  const markOf = ({ may, appId, attachmentId, part }: Omit<UrlGrant, "expireMs">, seconds: number): Buffer =>
    createHmac("sha256", key).update([may, appId, attachmentId, part, seconds].join("\n")).digest();
  return {
    targetOf(grant) {
      const seconds = Math.ceil(grant.expireMs / 1000);
      const mark = markOf(grant, seconds).toString("base64url");
      const { appId, attachmentId, part } = grant;
      return `${ATTACHMENTS_PATH}${appId}/${attachmentId}/${part}?expires=${seconds}&signature=${mark}`;
    },
    read(target, may, nowMs) {
      const [, appId, attachmentId, part, expires, signature] = TARGET.exec(target) ?? [];
      if (appId === undefined || attachmentId === undefined || signature === undefined) throw notOurs();
      const seconds = Number(expires);
      const grant: UrlGrant = { may, appId, attachmentId, part: part as BlobPart, expireMs: seconds * 1000 };
      // 43 letters of base64 are 32 bytes.
      if (!timingSafeEqual(markOf(grant, seconds), Buffer.from(signature, "base64url"))) throw notOurs();
      if (nowMs >= grant.expireMs)
        throw new DomainError(ErrorReason.UNAUTHENTICATED, "this address is over: ask for a new one");
      return grant;
    },
  };
}

function notOurs(): DomainError {
  return new DomainError(ErrorReason.UNAUTHENTICATED, "this is no address that this server has made for this");
}
