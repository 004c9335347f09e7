import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import type { IncomingMessage } from "node:http";

/** Whose requests are good, and where. */
export interface SigV4Key {
  accessKeyId: string;
  secretAccessKey: string;
  region: string;
}

/** What a store refuses a request for. */
export interface S3Fault {
  status: number;
  code: string;
}

const FORBIDDEN = (code: string): S3Fault => ({ status: 403, code });
const SKEW_MS = 15 * 60_000;

/**
 * What is wrong with the signature of a request to S3, by header or by query, as Amazon describes version 4. Written after the description and not
 * after the library that signs.
 */
export function signatureFault(request: IncomingMessage, key: SigV4Key): S3Fault | undefined {
  const [path = "", search = ""] = (request.url ?? "").split("?", 2) as [string, string?];
  const query = search === "" ? [] : search.split("&").map((pair) => pair.split("=", 2) as [string, string?]);
  const parameters = new Map(query.map(([name, value = ""]) => [decodeURIComponent(name), decodeURIComponent(value)]));
  const byQuery = parameters.has("X-Amz-Signature");
  const given = byQuery ? ofQuery(parameters) : ofHeader(request);
  if (given === undefined) return FORBIDDEN("AccessDenied");
  const { credential, signedHeaders, signature, dateTime, payloadHash } = given;
  const [accessKeyId, ...scope] = credential.split("/");
  if (accessKeyId !== key.accessKeyId) return FORBIDDEN("InvalidAccessKeyId");
  if (scope.join("/") !== `${dateTime.slice(0, 8)}/${key.region}/s3/aws4_request`)
    return { status: 400, code: "AuthorizationHeaderMalformed" };
  const timeFault = byQuery ? expiry(parameters, dateTime) : skew(dateTime);
  if (timeFault !== undefined) return timeFault;
  const names = signedHeaders.split(";");
  const unsigned = Object.keys(request.headers).filter((name) => name.startsWith("x-amz-") && !names.includes(name));
  if (!names.includes("host") || unsigned.length > 0) return FORBIDDEN("AccessDenied");
  const canonical = [
    request.method,
    decodeURIComponent(path).split("/").map(encode).join("/"),
    [...parameters]
      .filter(([name]) => name !== "X-Amz-Signature")
      .map(([name, value]) => `${encode(name)}=${encode(value)}`)
      .sort()
      .join("&"),
    ...names.map(
      (name) =>
        `${name}:${String(request.headers[name] ?? "")
          .trim()
          .replace(/ +/g, " ")}`,
    ),
    "",
    signedHeaders,
    payloadHash,
  ].join("\n");
  const toSign = ["AWS4-HMAC-SHA256", dateTime, scope.join("/"), sha256(canonical)].join("\n");
  let signing: Buffer = Buffer.from(`AWS4${key.secretAccessKey}`);
  for (const part of [...scope, toSign]) signing = createHmac("sha256", signing).update(part).digest();
  const expected = Buffer.from(signing.toString("hex"));
  const same = signature.length === expected.length && timingSafeEqual(Buffer.from(signature), expected);
  return same ? undefined : FORBIDDEN("SignatureDoesNotMatch");
}

function ofQuery(parameters: ReadonlyMap<string, string>) {
  const get = (name: string) => parameters.get(`X-Amz-${name}`) ?? "";
  if (get("Algorithm") !== "AWS4-HMAC-SHA256") return undefined;
  return {
    credential: get("Credential"),
    signedHeaders: get("SignedHeaders"),
    signature: get("Signature"),
    dateTime: get("Date"),
    payloadHash: "UNSIGNED-PAYLOAD",
  };
}

function ofHeader({ headers }: IncomingMessage) {
  const [, credential, signedHeaders, signature] =
    /^AWS4-HMAC-SHA256 Credential=([^,]+), ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})$/.exec(
      headers.authorization ?? "",
    ) ?? [];
  const [dateTime, payloadHash] = [headers["x-amz-date"], headers["x-amz-content-sha256"]];
  if (credential === undefined || signedHeaders === undefined || signature === undefined) return undefined;
  if (typeof dateTime !== "string" || typeof payloadHash !== "string") return undefined;
  return { credential, signedHeaders, signature, dateTime, payloadHash };
}

function expiry(parameters: ReadonlyMap<string, string>, dateTime: string): S3Fault | undefined {
  const seconds = Number(parameters.get("X-Amz-Expires"));
  if (!(seconds >= 1 && seconds <= 604_800)) return { status: 400, code: "AuthorizationQueryParametersError" };
  return Date.now() < timeOf(dateTime) + seconds * 1000 ? undefined : FORBIDDEN("AccessDenied");
}

function skew(dateTime: string): S3Fault | undefined {
  return Math.abs(Date.now() - timeOf(dateTime)) < SKEW_MS ? undefined : FORBIDDEN("RequestTimeTooSkewed");
}

function timeOf(dateTime: string): number {
  return Date.parse(dateTime.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, "$1-$2-$3T$4:$5:$6Z"));
}

export function sha256(data: string | Uint8Array): string {
  return createHash("sha256").update(data).digest("hex");
}

function encode(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (mark) => `%${mark.charCodeAt(0).toString(16).toUpperCase()}`);
}
