import { Worker } from "node:worker_threads";

/** What a PKCS#12 file (.p12, .pfx) holds: a private key and the certificate that fits it. */
export interface P12Content {
  /** PKCS#8 in PEM. */
  key: string;
  /** PEM, the one that fits the key first. */
  certificates: string;
  /** The user id (UID) in the subject of the certificate, or empty. */
  uid: string;
  /** The extensions of the certificate by their OIDs; the value is the DER in hex. */
  extensions: ReadonlyMap<string, string>;
}

/** Why a file was not read. */
export type P12Fault =
  /** It is no PKCS#12 file, or a broken one. */
  | "format"
  | "password"
  /** It is encrypted in a way that is not known here. */
  | "encryption"
  | "no_key"
  /** Its key is of another kind than RSA. */
  | "not_rsa"
  | "no_certificate"
  /** No certificate in it is of the key. */
  | "misfit"
  /** Reading it took too long. */
  | "time";

/** How the worker answers. */
export type P12Answer = P12Content | P12Fault;

/**
 * Reads a file in a thread of its own, which is ended when the time is over: the file itself says how many rounds its
 * encryption takes, and nobody else may have to wait for them. It never throws for what the file is.
 */
export async function readP12(p12: Uint8Array, password: string, timeoutMs: number): Promise<P12Answer> {
  const worker = new Worker(new URL("./read-p12-worker.js", import.meta.url), {
    workerData: { p12, password },
    resourceLimits: { maxOldGenerationSizeMb: 128 },
  });
  let patience: NodeJS.Timeout | undefined;
  try {
    return await new Promise<P12Answer>((resolve, reject) => {
      patience = setTimeout(() => resolve("time"), timeoutMs);
      worker.once("message", resolve);
      worker.once("error", (error: Error & { code?: string }) =>
        error.code === "ERR_WORKER_OUT_OF_MEMORY" ? resolve("format") : reject(error),
      );
      worker.once("exit", () => reject(new Error("the reader of PKCS#12 files ended without an answer")));
    });
  } finally {
    clearTimeout(patience);
    await worker.terminate();
  }
}
