import { v5 as uuidv5 } from "uuid";

const NAMESPACE = "5f3c9c1e-2a5b-5d0e-9c58-7b6a0c1d4e2f";

/** The id of the push of a message to an installation: the same whenever it is made, so that a repeat is seen to be one. */
export function pushIdOf(messageId: string, installationId: string): string {
  return uuidv5(`${messageId}|${installationId}`, NAMESPACE);
}
