import { createHash, createPrivateKey, createPublicKey, type KeyObject } from "node:crypto";
import type {
  ApnsTokenCredential,
  FcmCredential,
  SetPushCredentialRequest,
} from "@parley/proto/parley/v1/admin_service_pb.js";
import { PushEnvironment, PushProvider } from "@parley/proto/parley/v1/installation_pb.js";
import { PushCredentialKind } from "@parley/proto/parley/v1/push_credential_pb.js";
import type { Ctx } from "../context.js";
import { DomainError, ErrorReason, invalidField } from "../errors.js";
import type { ReadCredential } from "./push-credential.js";
import { readApnsCertificate } from "./read-apns-certificate.js";

type CheckCtx = Pick<Ctx, "clock" | "times">;

const RSA_BITS = 2048;

/** Checks a credential as far as that goes without its provider. Throws INVALID_FIELD or UNSUPPORTED. */
export async function readPushCredential(
  ctx: CheckCtx,
  { credential, environment }: SetPushCredentialRequest,
): Promise<ReadCredential> {
  switch (credential.case) {
    case "apnsToken":
      return readApnsToken(credential.value, environment);
    case "apnsCertificate":
      return await readApnsCertificate(ctx, credential.value, environment);
    case "fcm":
      return readServiceAccount(credential.value, environment);
    case "webPush":
      throw new DomainError(ErrorReason.UNSUPPORTED, "Web Push is not offered by this version", { field: "web_push" });
    default:
      throw invalidField("credential", "a credential is required");
  }
}

function readApnsToken(
  { keyP8, keyId, teamId, topic }: ApnsTokenCredential,
  environment: PushEnvironment,
): ReadCredential {
  const key = privateKeyOf(keyP8);
  if (key?.asymmetricKeyType !== "ec" || key.asymmetricKeyDetails?.namedCurve !== "prime256v1")
    throw invalidField(
      "apns_token.key_p8",
      "this is not the content of a .p8 file: one private key of the curve P-256 in PEM form",
    );
  return {
    facts: {
      provider: PushProvider.APNS,
      environment,
      kind: PushCredentialKind.APNS_TOKEN,
      fingerprint: fingerprintOf(key),
      topic,
      project_id: "",
      key_id: keyId,
      expire_ms: null,
    },
    secret: { kind: "apns_token", key: pemOf(key), keyId, teamId, topic },
  };
}

function readServiceAccount({ serviceAccountJson }: FcmCredential, environment: PushEnvironment): ReadCredential {
  const wrong = (what: string) => invalidField("fcm.service_account_json", what);
  if (environment === PushEnvironment.SANDBOX)
    throw invalidField("environment", "FCM has no sandbox: leave the environment out");
  const account = parseObject(serviceAccountJson);
  if (account === undefined) throw wrong("this is not the JSON of a service account's key");
  if (account.type !== undefined && account.type !== "service_account")
    throw wrong("its type is not service_account: make a key for a service account of the project");
  const text = (name: string, pattern: RegExp): string => {
    const value = account[name];
    if (typeof value !== "string" || !pattern.test(value)) throw wrong(`it has no usable ${name}`);
    return value;
  };
  const projectId = text("project_id", /^[a-z0-9.:-]{1,128}$/);
  const clientEmail = text("client_email", /^[^\s@]{1,128}@[^\s@]{1,255}$/);
  const key = privateKeyOf(text("private_key", /./));
  if (key?.asymmetricKeyType !== "rsa" || (key.asymmetricKeyDetails?.modulusLength ?? 0) < RSA_BITS)
    throw wrong(`its private_key is not an RSA key of at least ${RSA_BITS} bits in PEM form`);
  const keyId = account.private_key_id === undefined ? "" : text("private_key_id", /^[A-Za-z0-9_-]{1,128}$/);
  return {
    facts: {
      provider: PushProvider.FCM,
      environment: PushEnvironment.UNSPECIFIED,
      kind: PushCredentialKind.FCM,
      fingerprint: fingerprintOf(key),
      topic: "",
      project_id: projectId,
      key_id: keyId,
      expire_ms: null,
    },
    secret: { kind: "fcm", key: pemOf(key), keyId, clientEmail, projectId },
  };
}

/** The one private key of a text in PEM form. */
function privateKeyOf(pem: string): KeyObject | undefined {
  if (!/^\s*-----BEGIN ((EC|RSA) )?PRIVATE KEY-----[^-]*-----END ((EC|RSA) )?PRIVATE KEY-----\s*$/.test(pem))
    return undefined;
  try {
    return createPrivateKey(pem);
  } catch {
    return undefined;
  }
}

// What JSON.parse says of a text repeats a part of it, so it is told to nobody.
function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

const pemOf = (key: KeyObject): string => key.export({ type: "pkcs8", format: "pem" }).toString();

function fingerprintOf(key: KeyObject): string {
  return createHash("sha256")
    .update(createPublicKey(key).export({ type: "spki", format: "der" }))
    .digest("hex");
}
