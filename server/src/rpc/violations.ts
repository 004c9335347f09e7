import type { Violation } from "@bufbuild/protovalidate";
import { DomainError, ErrorReason } from "../domain/errors.js";

// A value that is well-formed and too big is TOO_LARGE, so that a client can tell it from a malformed one.
const SIZE_RULES = new Set([
  "string.max_bytes",
  "string.max_len",
  "bytes.max_len",
  "repeated.max_items",
  "map.max_pairs",
]);

/** The refusal of a request that breaks a rule of the contract: it names the field and, for a size, the limit. */
export function violationError(violations: readonly Violation[]): DomainError {
  const first = violations[0];
  const field = first?.field.map((part, at) => pathPart(part, at)).join("") ?? "";
  const message = `${field === "" ? "the request" : field}: ${first?.message ?? "invalid"}`;
  if (first === undefined || !SIZE_RULES.has(first.ruleId))
    return new DomainError(ErrorReason.INVALID_FIELD, message, { field });
  const limit = /\d+/.exec(first.message)?.[0];
  return new DomainError(ErrorReason.TOO_LARGE, message, { field, metadata: limit === undefined ? {} : { limit } });
}

function pathPart(part: Violation["field"][number], at: number): string {
  if (part.kind === "list_sub") return `[${part.index}]`;
  if (part.kind === "map_sub") return `[${String(part.key)}]`;
  const name = part.kind === "extension" ? part.typeName : part.name;
  return at === 0 ? name : `.${name}`;
}
