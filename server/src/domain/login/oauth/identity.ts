import type { JsonObject } from "@bufbuild/protobuf";
import type { OauthCredential } from "@parley/proto/parley/v1/auth_service_pb.js";
import type { FetchedDocument } from "../../../ops/safe-fetch.js";
import type { AppRecord } from "../../apps.js";
import type { Ctx } from "../../context.js";
import { DomainError, ErrorReason, invalidField } from "../../errors.js";

/** What a provider says of somebody. */
export interface Identity {
  externalId: string;
  /** A value that may be used once, until a time. */
  once?: { value: string; expireMs: number };
}

/** What an identity is asked with. */
export interface AskCtx extends Pick<Ctx, "fetch" | "clock" | "outward"> {
  app: Pick<AppRecord, "appId">;
}

/** Asks one kind of provider who somebody is. Throws WRONG_CREDENTIAL, which tells nothing more, or SERVER_BUSY when it does not say. */
export type AskProvider = (ctx: AskCtx, credential: OauthCredential) => Promise<Identity>;

export function wrongProof(): DomainError {
  return new DomainError(ErrorReason.WRONG_CREDENTIAL, "the third party does not confirm this login", {
    field: "oauth",
  });
}

export function providerBusy(cause?: unknown): DomainError {
  const error = new DomainError(ErrorReason.SERVER_BUSY, "the third party does not answer just now", {
    field: "oauth",
    retryDelayMs: 5000,
    metadata: { cause: "IDENTITY_PROVIDER" },
  });
  error.cause = cause;
  return error;
}

/** A part of a credential that a provider needs. */
export function needed(credential: OauthCredential, part: "externalUserId" | "accessToken" | "idToken"): string {
  const value = credential[part];
  if (value === "") throw invalidField(`oauth.${FIELDS[part]}`, "this provider needs it");
  return value;
}

const FIELDS = { externalUserId: "external_user_id", accessToken: "access_token", idToken: "id_token" } as const;

/** The object that a provider answers, whatever its status: these tell their errors in the body, some with 200. */
export async function askForObject({ outward, app }: AskCtx, ask: () => Promise<FetchedDocument>): Promise<JsonObject> {
  let answer: FetchedDocument;
  try {
    answer = await outward(app.appId, ask);
  } catch (error) {
    throw error instanceof DomainError ? error : providerBusy(error);
  }
  if (answer.status >= 500) throw providerBusy();
  const object = parseObject(answer.body.toString());
  if (object === undefined) throw providerBusy();
  return object;
}

/** An object in JSON, bare or in the wrapping of an answer to a script: callback( … ). */
function parseObject(text: string): JsonObject | undefined {
  const json = /^\s*callback\(([\s\S]*)\)\s*;?\s*$/.exec(text)?.[1] ?? text;
  try {
    const value: unknown = JSON.parse(json);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as JsonObject) : undefined;
  } catch {
    return undefined;
  }
}

/** An address below the base of a provider. */
export function below(base: string, path: string, query: Record<string, string> = {}): URL {
  const url = new URL(`${base.replace(/\/+$/, "")}${path}`);
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
  return url;
}

/** The id as the provider says it, unless the client claims another. */
export function confirmed(said: unknown, claimed: string): Identity {
  const externalId = typeof said === "number" && Number.isSafeInteger(said) ? String(said) : said;
  if (typeof externalId !== "string" || !isId(externalId)) throw wrongProof();
  if (claimed !== "" && claimed !== externalId) throw wrongProof();
  return { externalId };
}

function isId(text: string): boolean {
  return text !== "" && Buffer.byteLength(text) <= MOST_ID_BYTES && !text.includes("\0");
}

const MOST_ID_BYTES = 256;
