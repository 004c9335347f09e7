import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from "node:crypto";
import { join } from "node:path";
import { readSecretFile, writeSecretFile } from "./secret-file.js";

/** Seals what must be read again but not lie open on the disk. */
export interface SecretBox {
  seal(plain: Uint8Array): Buffer;
  /** Throws when the bytes were not sealed with this key. */
  open(sealed: Uint8Array): Buffer;
  /** The keyed hash of some texts, none of which holds NUL, in hex: whoever lacks the key cannot find them by trying. */
  mac(...texts: readonly string[]): string;
}

const ALGORITHM = "aes-256-gcm";
const VERSION = 1;
const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const HEAD_BYTES = 1 + NONCE_BYTES + 16;

/** Makes a box with a key of 32 bytes. Sealed: version, nonce, tag, ciphertext. */
export function createSecretBox(key: Buffer): SecretBox {
  if (key.length !== KEY_BYTES) throw new Error(`the secret key has ${key.length} bytes instead of ${KEY_BYTES}`);
  const macKey = Buffer.from(hkdfSync("sha256", key, "", "mac", KEY_BYTES));
  return {
    mac: (...texts) => createHmac("sha256", macKey).update(texts.join("\0")).digest("hex"),
    seal(plain) {
      const nonce = randomBytes(NONCE_BYTES);
      const cipher = createCipheriv(ALGORITHM, key, nonce);
      const body = Buffer.concat([cipher.update(plain), cipher.final()]);
      return Buffer.concat([Buffer.of(VERSION), nonce, cipher.getAuthTag(), body]);
    },
    open(sealed) {
      const bytes = Buffer.from(sealed.buffer, sealed.byteOffset, sealed.byteLength);
      if (bytes.length < HEAD_BYTES || bytes[0] !== VERSION) throw new Error("this was not sealed by a secret box");
      const decipher = createDecipheriv(ALGORITHM, key, bytes.subarray(1, 1 + NONCE_BYTES));
      decipher.setAuthTag(bytes.subarray(1 + NONCE_BYTES, HEAD_BYTES));
      return Buffer.concat([decipher.update(bytes.subarray(HEAD_BYTES)), decipher.final()]);
    },
  };
}

/** The key of the setting (64 hex digits, or base64), else the one kept in the data folder, which is made when absent. */
export function loadSecretKey(dataDir: string, setting: string | undefined): Buffer {
  const known = findSecretKey(dataDir, setting);
  if (known !== undefined) return known;
  const key = randomBytes(KEY_BYTES);
  writeSecretFile(keyFile(dataDir), key.toString("base64"));
  return key;
}

/** The same, but undefined when there is none. */
export function findSecretKey(dataDir: string, setting: string | undefined): Buffer | undefined {
  if (setting !== undefined) return decodeKey(setting, "PARLEY_SECRET_KEY");
  const kept = readSecretFile(keyFile(dataDir));
  return kept === undefined ? undefined : decodeKey(kept, keyFile(dataDir));
}

const keyFile = (dataDir: string): string => join(dataDir, "secret-key");

function decodeKey(text: string, source: string): Buffer {
  const key = /^[0-9a-f]{64}$/i.test(text) ? Buffer.from(text, "hex") : Buffer.from(text, "base64");
  if (key.length !== KEY_BYTES) throw new Error(`${source} is not a key of ${KEY_BYTES} bytes in hex or base64`);
  return key;
}
