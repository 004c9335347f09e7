import { createPrivateKey, X509Certificate } from "node:crypto";
import { parentPort, workerData } from "node:worker_threads";
import forge from "node-forge";
import type { P12Answer } from "./read-p12.js";

// node:crypto can use such a file and not take it apart. node-forge also knows the encryption (RC2, 3DES) of the files that
// Apple's Keychain exports, which OpenSSL 3 refuses.
const { pkcs8ShroudedKeyBag, keyBag, certBag } = forge.pki.oids as Record<string, string>;
const UID = "0.9.2342.19200300.100.1.1";

const { p12, password } = workerData as { p12: Uint8Array; password: string };
parentPort?.postMessage(read(p12, password));

function read(bytes: Uint8Array, given: string): P12Answer {
  let file: forge.asn1.Asn1;
  try {
    file = forge.asn1.fromDer(Buffer.from(bytes).toString("binary"));
  } catch {
    return "format";
  }
  const answers = attempts(file, given).map(([each, secret]) => open(each, secret));
  const [first = "format"] = answers;
  // The attempt that came further knows better.
  const fault = answers.includes("encryption") ? "encryption" : first;
  const opened = answers.find((answer) => typeof answer !== "string") ?? fault;
  return typeof opened === "string" ? opened : contentOf(opened);
}

type Attempt = [file: forge.asn1.Asn1, secret: string | undefined];

function attempts(file: forge.asn1.Asn1, given: string): Attempt[] {
  // Without a password some programs take none at all, and others the empty one.
  if (given === "") return [undefined, ""].map((secret) => [file, secret]);
  const bytes = Buffer.from(given).toString("binary");
  if (bytes === given || !Array.isArray(file.value)) return [[file, given]];
  // The seal of a file takes the letters of a password in UTF-16, its newer encryption in UTF-8: that one is opened without the seal.
  return [
    [file, given],
    [{ ...file, value: file.value.slice(0, 2) }, bytes],
  ];
}

function open(
  file: forge.asn1.Asn1,
  secret: string | undefined,
): forge.pkcs12.Pkcs12Pfx | "password" | "encryption" | "format" {
  try {
    return forge.pkcs12.pkcs12FromAsn1(file, false, secret as string);
  } catch (error) {
    const said = error instanceof Error ? error.message : "";
    if (/invalid password|failed to decrypt|wrong password/i.test(said)) return "password";
    return /unsupported|cannot read encrypted|unknown/i.test(said) ? "encryption" : "format";
  }
}

function contentOf(pfx: forge.pkcs12.Pkcs12Pfx): P12Answer {
  const bags = pfx.safeContents.flatMap(({ safeBags }) => safeBags);
  const [holder] = bags.filter(({ type }) => [pkcs8ShroudedKeyBag, keyBag].includes(type));
  const certificates = bags.flatMap((bag) => (bag.type === certBag ? [certificateOf(bag)] : []));
  if (holder === undefined) return "no_key";
  const { key } = holder;
  if (key === undefined || key === null) return "not_rsa";
  if (certificates.length === 0) return "no_certificate";
  const privateKey = createPrivateKey(forge.pki.privateKeyToPem(key as forge.pki.rsa.PrivateKey));
  const own = certificates.find(({ pem }) => new X509Certificate(pem).checkPrivateKey(privateKey));
  if (own?.parsed === undefined) return "misfit";
  const { subject, extensions } = own.parsed;
  return {
    key: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
    certificates: [own, ...certificates.filter((each) => each !== own)].map(({ pem }) => pem).join(""),
    uid: String(subject.attributes.find(({ type }) => type === UID)?.value ?? ""),
    extensions: new Map(
      (extensions as { id: string; value: unknown }[]).map(({ id, value }) => [
        id,
        typeof value === "string" ? Buffer.from(value, "binary").toString("hex") : "",
      ]),
    ),
  };
}

/** A certificate as it stood in the file, and what is read of it unless its own key is not RSA. */
function certificateOf({ cert, asn1 }: forge.pkcs12.Bag): { pem: string; parsed: forge.pki.Certificate | undefined } {
  // What is signed by another algorithm than RSA is left as it was by the library, which does read it when it need not check that.
  const tree = cert ? forge.pki.certificateToAsn1(cert) : asn1;
  const pem = forge.pem.encode({ type: "CERTIFICATE", body: forge.asn1.toDer(tree).getBytes() } as forge.pem.ObjectPEM);
  try {
    return { pem, parsed: cert ?? forge.pki.certificateFromAsn1(tree) };
  } catch {
    return { pem, parsed: undefined };
  }
}
