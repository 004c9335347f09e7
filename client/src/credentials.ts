import { CredentialKind, type LinkedCredential } from "@parley/proto/parley/v1/linked_credential_pb.js";
import { type Credential, toLinkableCredential } from "./credential.js";
import { present } from "./page.js";
import type { Rpc } from "./rpc.js";

/** A credential that can be linked: all but those that are no proof, or whose user id is another's to say. */
export type LinkableCredential = Extract<
  Credential,
  { readonly username: string } | { readonly phoneNumber: string } | { readonly oauth: unknown }
>;

/** The ways in which the user can log in. */
export interface Credentials {
  /**
   * Gives the user a further way to log in; a guest becomes an ordinary user under its id. A username and password are made anew.
   * Errors: ALREADY_EXISTS (it is another user's, or there is one of this kind), WRONG_CREDENTIAL, LOGIN_DISABLED, RATE_LIMITED.
   */
  link(credential: LinkableCredential): Promise<LinkedCredential>;
  /** Lists them by kind and provider, each name with its middle left out. */
  list(): Promise<LinkedCredential[]>;
  /** Takes one away; sessions go on. Errors: NOT_FOUND, LAST_CREDENTIAL. */
  unlink(which: "password" | "sms" | { readonly provider: string }): Promise<void>;
}

const kinds = { password: CredentialKind.PASSWORD, sms: CredentialKind.SMS } as const;

/** Makes the calls about credentials. */
export function createCredentials({ auth }: Rpc): Credentials {
  return {
    link: async (credential) =>
      present((await auth.linkCredential({ credential: toLinkableCredential(credential) })).credential),
    list: async () => (await auth.listCredentials({})).credentials,
    async unlink(which) {
      const request =
        typeof which === "string" ? { kind: kinds[which] } : { kind: CredentialKind.OAUTH, provider: which.provider };
      await auth.unlinkCredential(request);
    },
  };
}
