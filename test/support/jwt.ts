import { createHmac, generateKeyPairSync, type KeyObject, sign } from "node:crypto";

const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");

/** A JSON Web Token in compact form, put together by hand, so that bad ones can be made too. */
export function jwt(header: object, claims: object, signer: (data: Buffer) => Buffer): string {
  const data = `${encode(header)}.${encode(claims)}`;
  return `${data}.${signer(Buffer.from(data)).toString("base64url")}`;
}

export const hs256 = (secret: string) => (data: Buffer) => createHmac("sha256", secret).update(data).digest();
export const rs256 = (key: KeyObject) => (data: Buffer) => sign("sha256", data, key);
export const es256 = (key: KeyObject) => (data: Buffer) => sign("sha256", data, { key, dsaEncoding: "ieee-p1363" });
export const edDsa = (key: KeyObject) => (data: Buffer) => sign(null, data, key);
export const unsigned = () => Buffer.alloc(0);

/** A pair of keys: the private one, and the public one as PEM. */
export function keyPair(kind: "rsa" | "ec" | "ed25519"): { privateKey: KeyObject; pem: string; publicKey: KeyObject } {
  const { privateKey, publicKey } =
    kind === "rsa"
      ? generateKeyPairSync("rsa", { modulusLength: 2048 })
      : kind === "ec"
        ? generateKeyPairSync("ec", { namedCurve: "P-256" })
        : generateKeyPairSync("ed25519");
  return { privateKey, publicKey, pem: publicKey.export({ type: "spki", format: "pem" }).toString() };
}
