import { type DomainError, invalidField } from "../domain/errors.js";

/**
 * The refusal of a request that cannot be decoded. The library's own words may repeat what was sent, such as a password in a field of another
 * type, so only the names of the contract are taken from them.
 */
export function parseError(error: unknown): DomainError {
  const text = error instanceof Error ? error.message : "";
  const named = /^cannot decode (?:field|oneof|message|enum) (?:parley\.v1|google\.protobuf)\.[\w.]+/.exec(text)?.[0];
  return invalidField("", `the request cannot be parsed${named === undefined ? "" : `: ${named}`}`);
}
