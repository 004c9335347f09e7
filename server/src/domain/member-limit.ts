import { DomainError, ErrorReason } from "./errors.js";

/** The refusal of one more member or friend than allowed. */
export function memberLimit(message: string, field: string, limit: number): DomainError {
  return new DomainError(ErrorReason.MEMBER_LIMIT, message, { field, metadata: { limit: String(limit) } });
}
