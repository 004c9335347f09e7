import { ParleyError } from "./errors.js";

/** An upload to a signed address. */
export interface PutRequest {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Blob;
  /** Told how far it has come, where the platform can tell. */
  readonly onProgress: (sentBytes: number) => void;
  readonly signal: AbortSignal | undefined;
}

/** Puts bytes by plain HTTP. Resolves with whatever the server has answered; rejects with UNREACHABLE or CANCELED. */
export type PutBytes = (request: PutRequest) => Promise<{ status: number; text: string }>;

/** By `fetch`, which tells of no progress but the end. */
export const putByFetch: PutBytes = async ({ url, headers, body, onProgress, signal }) => {
  try {
    const response = await fetch(url, { method: "PUT", headers: { ...headers }, body, ...(signal && { signal }) });
    const text = await response.text();
    onProgress(body.size);
    return { status: response.status, text };
  } catch (thrown) {
    throw putFailure(signal, thrown);
  }
};

/** What a PUT that got no answer fails with. */
export function putFailure(signal: AbortSignal | undefined, cause?: unknown): ParleyError {
  if (signal?.aborted) return new ParleyError("CANCELED", "the upload was cancelled", { code: "canceled", cause });
  return new ParleyError("UNREACHABLE", "the upload broke off", { retryable: true, code: "unavailable", cause });
}
