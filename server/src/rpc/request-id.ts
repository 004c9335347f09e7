const GIVEN = /^[A-Za-z0-9._-]{1,64}$/;

/** The id of a call in logs and errors: the caller's `x-request-id` when it is a fit one, else a new one. */
export function requestIdOf(given: string | string[] | undefined, newId: () => string): string {
  return typeof given === "string" && GIVEN.test(given) ? given : newId();
}
