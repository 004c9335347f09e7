import { codeToHttpStatus, errorToJson } from "@connectrpc/connect/protocol-connect";
import { ErrorReason } from "../domain/errors.js";
import type { Transfers } from "../ports.js";
import { CODES, toConnectError, type WireError, wireError } from "./errors.js";
import { requestIdOf } from "./request-id.js";

/** Where plain HTTP has a word of its own for a reason. */
const STATUSES: Partial<Record<ErrorReason, number>> = {
  [ErrorReason.UNAUTHENTICATED]: 403,
  [ErrorReason.TOO_LARGE]: 413,
  [ErrorReason.UPLOAD_INCOMPLETE]: 400,
};

/** Failures of an upload or a download, told with the code and detail that those of every procedure have. */
export function createTransferErrors(
  newId: () => string,
  onUnexpected: (error: unknown, requestId: string) => void,
): Transfers["refusal"] {
  return (error, { "x-request-id": given }) => {
    const requestId = requestIdOf(given, newId);
    const failure = wireError(error, requestId);
    if (failure.unexpected) onUnexpected(error, requestId);
    const body = Buffer.from(JSON.stringify(errorToJson(toConnectError(failure), undefined)));
    return {
      status: statusOf(failure),
      headers: { "content-type": "application/json", "cache-control": "no-store" },
      body,
    };
  };
}

function statusOf({ detail: { reason, metadata } }: WireError): number {
  if (metadata.cause === "STORAGE_FULL") return 507;
  return STATUSES[reason] ?? codeToHttpStatus(CODES[reason]);
}
