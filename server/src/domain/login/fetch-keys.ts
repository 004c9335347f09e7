import type { FetchImplementation } from "jose";
import { DomainError, ErrorReason } from "../errors.js";

const MOST_BYTES = 256 * 1024;

/** Fetches the document with an app's keys: whole, bounded, not redirected. Throws SERVER_BUSY, since the same token may be good later. */
export const fetchKeys: FetchImplementation = async (url, options) => {
  try {
    const response = await fetch(url, options);
    if (response.status !== 200 || response.body === null) throw unreachable();
    const chunks: Uint8Array[] = [];
    let bytes = 0;
    for await (const chunk of response.body) {
      bytes += chunk.byteLength;
      if (bytes > MOST_BYTES) throw unreachable();
      chunks.push(chunk);
    }
    return new Response(Buffer.concat(chunks));
  } catch (error) {
    throw error instanceof DomainError ? error : unreachable(error);
  }
};

export function unreachable(cause?: unknown): DomainError {
  const error = new DomainError(ErrorReason.SERVER_BUSY, "the address of this app's token keys gives no keys", {
    retryDelayMs: 5000,
  });
  error.cause = cause;
  return error;
}
