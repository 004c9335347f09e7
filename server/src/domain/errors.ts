import { ErrorReason } from "@parley/proto/parley/v1/error_detail_pb.js";
import { storeErrorOf } from "../store/errors.js";

export { ErrorReason };

export interface DomainErrorFacts {
  /** The path of the request field at fault. */
  field?: string;
  /** How long to wait before the same request may succeed. */
  retryDelayMs?: number;
  metadata?: Record<string, string>;
}

/** A refusal that the caller is told: the one way for a rule to say no. The edge turns it into a Connect error. */
export class DomainError extends Error {
  readonly reason: ErrorReason;
  readonly facts: DomainErrorFacts;

  constructor(reason: ErrorReason, message: string, facts: DomainErrorFacts = {}) {
    super(message);
    this.name = "DomainError";
    this.reason = reason;
    this.facts = facts;
  }
}

/** An answer that is the same for what does not exist, is another app's, or is hidden. */
export function notFound(what: string, field: string): DomainError {
  return new DomainError(ErrorReason.NOT_FOUND, `no such ${what}`, { field });
}

export function invalidField(field: string, message: string): DomainError {
  return new DomainError(ErrorReason.INVALID_FIELD, message, { field });
}

export function tooLarge(field: string, limit: number, unit: string): DomainError {
  return new DomainError(ErrorReason.TOO_LARGE, `${field} is larger than ${limit} ${unit}`, {
    field,
    metadata: { limit: String(limit) },
  });
}

/** The refusal that a failure is: a rule's own, or the store's as the caller is told it. Undefined for what was not foreseen. */
export function refusalOf(error: unknown): DomainError | undefined {
  if (error instanceof DomainError) return error;
  const failure = storeErrorOf(error);
  // A damaged database that a read has met is not foreseen: it belongs into the log. The committer tells of its own.
  if (failure === undefined || (failure.kind === "fatal" && failure !== error)) return undefined;
  if (failure.kind === "overloaded" || failure.kind === "closed")
    return new DomainError(ErrorReason.SERVER_BUSY, "the server is busy", { retryDelayMs: 1000 });
  return new DomainError(ErrorReason.STORAGE_UNAVAILABLE, "the store cannot be used just now", {
    retryDelayMs: 1000,
    metadata: { cause: failure.kind === "full" ? "STORAGE_FULL" : "STORAGE_BUSY" },
  });
}
