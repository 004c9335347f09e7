import type { JsonObject, MessageInitShape } from "@bufbuild/protobuf";
import type { LinkCredentialRequestSchema, LoginRequestSchema } from "@parley/proto/parley/v1/auth_service_pb.js";

/** The proof of who logs in. */
export type Credential =
  /** A bare user id, without a proof; for development. The user is made when it does not exist. */
  | { readonly bareId: string }
  /** An account made by {@link Client.createAccount}. */
  | { readonly username: string; readonly password: string }
  /** A phone number in E.164 form and the code that was sent to it. */
  | { readonly phoneNumber: string; readonly code: string }
  /** The data of a third party. */
  | { readonly oauth: OauthCredential }
  /** A guest; without `userId` the server makes one. */
  | { readonly guest: { readonly userId?: string; readonly attributes?: JsonObject } }
  /** A JWT signed by the app's own backend: the way for production. */
  | { readonly token: string };

/** A session that exists already, as made by AdminService.CreateSession. */
export interface SessionCredential {
  readonly sessionToken: string;
}

/** The data of a third party. */
export interface OauthCredential {
  /** The name of the provider as the app configured it. */
  readonly provider: string;
  /** The user's id there. */
  readonly externalUserId?: string;
  readonly accessToken?: string;
  /** The OpenID Connect id token. */
  readonly idToken?: string;
  /** The further data of the provider. */
  readonly extra?: JsonObject;
}

/** Turns a credential into that of the contract. */
export function toLoginCredential(
  credential: Credential,
): NonNullable<MessageInitShape<typeof LoginRequestSchema>["credential"]> {
  if ("bareId" in credential) return { case: "bareId", value: { userId: credential.bareId } };
  if ("username" in credential || "phoneNumber" in credential || "oauth" in credential)
    return toLinkableCredential(credential);
  if ("guest" in credential) return { case: "guest", value: credential.guest };
  return { case: "signedToken", value: { token: credential.token } };
}

/** The same for a credential that can be linked to a user. */
export function toLinkableCredential(
  credential: Extract<Credential, { username: string } | { phoneNumber: string } | { oauth: OauthCredential }>,
): NonNullable<MessageInitShape<typeof LinkCredentialRequestSchema>["credential"]> {
  if ("username" in credential) return { case: "password", value: credential };
  if ("phoneNumber" in credential) return { case: "sms", value: credential };
  return { case: "oauth", value: credential.oauth };
}
