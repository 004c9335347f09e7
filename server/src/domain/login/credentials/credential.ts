import { create } from "@bufbuild/protobuf";
import {
  CredentialKind,
  type LinkedCredential,
  LinkedCredentialSchema,
} from "@parley/proto/parley/v1/linked_credential_pb.js";
import type { Tx } from "../../../store/committer.js";
import { findSession } from "../../../store/sessions.js";
import type { UserCaller } from "../../caller.js";
import { DomainError, ErrorReason } from "../../errors.js";

const OAUTH = "oauth:";
/** How much of a name is shown at its beginning and its end: as much as tells one's own from another. */
const SHOWN = {
  [CredentialKind.PASSWORD]: [1, 1],
  [CredentialKind.SMS]: [4, 2],
  [CredentialKind.OAUTH]: [2, 2],
} as const;

/** A stored credential as its user is shown it. */
export function linkedCredential({ kind, name }: { kind: string; name: string }): LinkedCredential {
  const is = kindOf(kind);
  const provider = is === CredentialKind.OAUTH ? kind.slice(OAUTH.length) : "";
  return create(LinkedCredentialSchema, { kind: is, provider, maskedName: masked(name, SHOWN[is]) });
}

function kindOf(kind: string): keyof typeof SHOWN {
  if (kind.startsWith(OAUTH)) return CredentialKind.OAUTH;
  return kind === "sms" ? CredentialKind.SMS : CredentialKind.PASSWORD;
}

/** The stored kind that a request names, or undefined when it names none. */
export function storedKind({ kind, provider }: { kind: CredentialKind; provider: string }): string | undefined {
  if (kind === CredentialKind.OAUTH) return OAUTH + provider;
  if (provider !== "") return undefined;
  return kind === CredentialKind.SMS ? "sms" : "password";
}

function masked(name: string, [head, tail]: readonly [number, number]): string {
  const letters = Array.from(name);
  // Of a short name nothing would be left out.
  if (letters.length < 2 * (head + tail)) return "****";
  return `${letters.slice(0, head).join("")}****${letters.slice(-tail).join("")}`;
}

/** Refuses a caller whose session has ended since it was let in: what opens an account must not be changed by it. */
export async function requireSession(tx: Tx, { sessionId }: UserCaller & { sessionId: string }): Promise<void> {
  if ((await findSession(tx.db, tx.appId, sessionId)) === undefined)
    throw new DomainError(ErrorReason.SESSION_REVOKED, "the session was logged out or revoked");
}
