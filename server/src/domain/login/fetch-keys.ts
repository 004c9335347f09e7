import type { FetchImplementation } from "jose";
import type { SafeFetch } from "../../ops/safe-fetch.js";
import { DomainError, ErrorReason } from "../errors.js";

/** Makes the fetch of the document with an app's keys. It throws SERVER_BUSY, since the same token may be good later. */
export function createFetchKeys(fetch: SafeFetch): FetchImplementation {
  return async (url, { headers }) => {
    try {
      const { status, body } = await fetch.get(new URL(url), Object.fromEntries(headers));
      if (status !== 200) throw unreachable();
      return new Response(body);
    } catch (error) {
      throw error instanceof DomainError ? error : unreachable(error);
    }
  };
}

export function unreachable(cause?: unknown): DomainError {
  const error = new DomainError(ErrorReason.SERVER_BUSY, "the address of the keys gives no keys", {
    retryDelayMs: 5000,
  });
  error.cause = cause;
  return error;
}
