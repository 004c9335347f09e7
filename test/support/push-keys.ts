import { execFileSync } from "node:child_process";
import { generateKeyPairSync, type KeyObject, randomUUID } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { tempFolder } from "./temp-store.js";

/** What Apple and Google would have given an app, made for one test by openssl, under an authority of its own. */
export interface PushKeys extends Disposable {
  /** The certificate of the authority, in PEM. */
  ca: string;
  /** The certificate of a server at 127.0.0.1 and localhost, and its key. */
  server: { key: string; cert: string };
  /** A token key of Apple. */
  token: { keyP8: string; keyId: string; teamId: string; publicKey: KeyObject };
  /** A service account of Google. */
  account: { json: string; email: string; projectId: string; publicKey: KeyObject };
  /** A certificate of Apple with its private key, in PEM. */
  certificate(options?: CertificateOptions): { key: string; cert: string };
  /** The same as a .p12 file. */
  p12(options?: P12Options): Buffer;
}

interface CertificateOptions {
  /** The bundle id in its subject; none with an empty one. */
  uid?: string;
  /** Further topics, in Apple's extension for them. */
  topics?: readonly string[];
  environments?: readonly ("production" | "sandbox")[];
  days?: number;
  /** A private key of its own, not that of the other certificates. */
  ownKey?: boolean;
}

export interface P12Options extends CertificateOptions {
  password?: string;
  /** Arguments of `openssl pkcs12 -export`. */
  export?: readonly string[];
}

export const TOPIC = "com.example.chat";

export function makePushKeys(): PushKeys {
  const folder = tempFolder();
  const file = (name: string) => join(folder.path, name);
  const openssl = (...args: string[]) => execFileSync("openssl", args, { stdio: ["ignore", "pipe", "ignore"] });
  const p256 = () => generateKeyPairSync("ec", { namedCurve: "prime256v1" });
  const rsa = () => generateKeyPairSync("rsa", { modulusLength: 2048 });
  const pem = (key: KeyObject) => key.export({ type: "pkcs8", format: "pem" }).toString();
  const keep = (name: string, text: string) => {
    writeFileSync(file(name), text);
    return file(name);
  };

  const caKey = keep("ca.key", pem(p256().privateKey));
  openssl("req", "-x509", "-new", "-key", caKey, "-out", file("ca.pem"), "-days", "30", "-subj", "/CN=Fake authority");

  /** Signs a certificate for a key. */
  const sign = (key: string, subject: string, extensions: string, days: number): string => {
    const name = randomUUID();
    const [request, config, cert] = [file(`${name}.csr`), keep(`${name}.ext`, extensions), file(`${name}.pem`)];
    openssl("req", "-new", "-key", keep(`${name}.key`, key), "-out", request, "-subj", subject);
    const signing = ["-CA", file("ca.pem"), "-CAkey", caKey, "-CAcreateserial", "-days", String(days)];
    openssl("x509", "-req", "-in", request, "-out", cert, "-extfile", config, ...signing);
    return readFileSync(cert, "utf8");
  };

  const serverKey = pem(p256().privateKey);
  const serverCert = sign(serverKey, "/CN=localhost", "subjectAltName=DNS:localhost,IP:127.0.0.1\n", 30);
  const token = p256();
  const account = rsa();
  const email = "push@project-one.iam.gserviceaccount.com";

  // A new one takes as long as all the rest.
  const sharedKey = pem(rsa().privateKey);
  const certificate: PushKeys["certificate"] = ({
    uid = TOPIC,
    topics = [],
    environments,
    days = 300,
    ownKey = false,
  } = {}) => {
    const marks = (environments ?? ["production", "sandbox"]).map((each) => `${MARKS[each]}=DER:0500\n`);
    const list = topics.map((topic, at) => `t${at}=UTF8:${topic}\nu${at}=SEQUENCE:use\n`);
    const extension =
      topics.length === 0
        ? ""
        : `1.2.840.113635.100.6.3.6=ASN1:SEQUENCE:topics\n[topics]\n${list.join("")}[use]\na=UTF8:app\n`;
    const key = ownKey ? pem(rsa().privateKey) : sharedKey;
    const subject = uid === "" ? "/CN=No topic" : `/UID=${uid}/CN=Apple Push Services: ${uid}`;
    return { key, cert: sign(key, subject, `basicConstraints=CA:FALSE\n${marks.join("")}${extension}`, days) };
  };

  return {
    ca: readFileSync(file("ca.pem"), "utf8"),
    server: { key: serverKey, cert: serverCert },
    token: { keyP8: pem(token.privateKey), keyId: "KEYID12345", teamId: "TEAM123456", publicKey: token.publicKey },
    account: {
      json: JSON.stringify({
        type: "service_account",
        project_id: "project-one",
        private_key_id: "0123456789abcdef",
        private_key: pem(account.privateKey),
        client_email: email,
        token_uri: "https://evil.example/token",
      }),
      email,
      projectId: "project-one",
      publicKey: account.publicKey,
    },
    certificate,
    p12({ password = "", export: more = [], ...options } = {}) {
      const { key, cert } = certificate(options);
      const both = keep(`${randomUUID()}.pem`, key + cert);
      return openssl("pkcs12", "-export", "-in", both, "-passout", `pass:${password}`, ...more);
    },
    [Symbol.dispose]: () => folder[Symbol.dispose](),
  };
}

const MARKS = { sandbox: "1.2.840.113635.100.6.3.1", production: "1.2.840.113635.100.6.3.2" };
