import { X509Certificate } from "node:crypto";
import type { ApnsCertificateCredential } from "@parley/proto/parley/v1/admin_service_pb.js";
import { PushEnvironment, PushProvider } from "@parley/proto/parley/v1/installation_pb.js";
import { PushCredentialKind } from "@parley/proto/parley/v1/push_credential_pb.js";
import { type P12Content, type P12Fault, readP12 } from "../../ops/read-p12.js";
import type { Ctx } from "../context.js";
import { invalidField } from "../errors.js";
import { createGate } from "../gate.js";
import type { ReadCredential } from "./push-credential.js";

// One file at a time on a node: each is read in a thread of its own.
const gate = createGate({ atOnce: 1, queue: 20, retryDelayMs: 2000 });

const CONVERT =
  "convert it with: openssl pkcs12 -legacy -in old.p12 -nodes -out push.pem && openssl pkcs12 -export -in push.pem -out new.p12";

const FAULTS: Record<P12Fault, readonly [field: "p12" | "password", message: string]> = {
  format: ["p12", "this is not the content of a .p12 file"],
  password: ["password", "the password does not open the file"],
  encryption: ["p12", `the file is encrypted in a way that is not known here; ${CONVERT}`],
  no_key: ["p12", "the file holds no private key: export the certificate together with its key"],
  not_rsa: ["p12", "the private key in the file is not RSA, as those of Apple's certificates are"],
  no_certificate: ["p12", "the file holds no certificate"],
  misfit: ["p12", "no certificate in the file is of the private key in it"],
  time: ["p12", `the file's encryption takes too long to open; ${CONVERT}`],
};

/** Marks by which Apple says what a certificate is for. */
const OIDS = {
  sandbox: "1.2.840.113635.100.6.3.1",
  production: "1.2.840.113635.100.6.3.2",
  topics: "1.2.840.113635.100.6.3.6",
} as const;

/** Reads and checks a certificate of Apple. Its password is used here and goes no further. Throws INVALID_FIELD, SERVER_BUSY. */
export async function readApnsCertificate(
  { clock, times }: Pick<Ctx, "clock" | "times">,
  { p12, password, topic }: ApnsCertificateCredential,
  environment: PushEnvironment,
): Promise<ReadCredential> {
  const content = await gate(() => readP12(p12, password, times.p12ReadMs));
  if (typeof content === "string") {
    const [field, message] = FAULTS[content];
    throw invalidField(`apns_certificate.${field}`, message);
  }
  const certificate = new X509Certificate(content.certificates);
  const [beginMs, expireMs] = [Date.parse(certificate.validFrom), Date.parse(certificate.validTo)];
  if (expireMs <= clock.now())
    throw invalidField("apns_certificate.p12", `the certificate expired at ${new Date(expireMs).toISOString()}`);
  if (beginMs > clock.now())
    throw invalidField(
      "apns_certificate.p12",
      `the certificate is not valid before ${new Date(beginMs).toISOString()}`,
    );
  const chosen = topicOf(content, topic);
  return {
    facts: {
      provider: PushProvider.APNS,
      environment: environmentOf(content, environment),
      kind: PushCredentialKind.APNS_CERTIFICATE,
      fingerprint: certificate.fingerprint256.replaceAll(":", "").toLowerCase(),
      topic: chosen,
      project_id: "",
      key_id: "",
      expire_ms: expireMs,
    },
    secret: { kind: "apns_certificate", key: content.key, certificates: content.certificates, topic: chosen },
  };
}

function environmentOf({ extensions }: P12Content, wanted: PushEnvironment): PushEnvironment {
  const { PRODUCTION, SANDBOX, UNSPECIFIED } = PushEnvironment;
  const served: PushEnvironment[] = [];
  if (extensions.has(OIDS.production)) served.push(PRODUCTION);
  if (extensions.has(OIDS.sandbox)) served.push(SANDBOX);
  const [only] = served;
  if (only === undefined) throw invalidField("apns_certificate.p12", "the certificate is not one for pushes");
  if (wanted === UNSPECIFIED) return served.length === 1 ? only : UNSPECIFIED;
  if (!served.includes(wanted))
    throw invalidField(
      "environment",
      `the certificate is for the ${only === SANDBOX ? "sandbox" : "production environment"} only`,
    );
  return wanted;
}

/** The topic that is pushed to: the one wanted, if the certificate is for it, or its own. */
function topicOf({ uid, extensions }: P12Content, wanted: string): string {
  const topics = [uid, ...textsOf(extensions.get(OIDS.topics))].filter((each) => each !== "");
  const field = "apns_certificate.topic";
  if (wanted === "" && topics[0] === undefined) throw invalidField(field, "the certificate names no topic: give one");
  if (wanted === "") return topics[0] as string;
  if (topics.length > 0 && !topics.includes(wanted))
    throw invalidField(field, `the certificate is for ${topics.slice(0, 5).join(", ")}`);
  return wanted;
}

const UTF8_STRING = 0x0c;

/** The texts (UTF8String) of a list in DER, of at most 127 bytes each, as topics are. Those inside of inner lists only say what a topic is for. */
function textsOf(derHex: string | undefined): string[] {
  const texts: string[] = [];
  const der = Buffer.from(derHex ?? "", "hex");
  // The list's own head: a tag, and a length of one byte or of the number of bytes that its low bits tell.
  const first = der[1] ?? 0;
  for (let at = 2 + (first < 0x80 ? 0 : first & 0x7f); at + 1 < der.length; ) {
    const bytes = der[at + 1] ?? 0;
    if (bytes >= 0x80) break;
    if (der[at] === UTF8_STRING) texts.push(der.subarray(at + 2, at + 2 + bytes).toString());
    at += 2 + bytes;
  }
  return texts;
}
