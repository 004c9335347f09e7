import { type LookupAddress, lookup as systemLookup } from "node:dns";
import { request as requestHttp } from "node:http";
import { request as requestHttps } from "node:https";
import { BlockList, isIP, isIPv6, type LookupFunction } from "node:net";

/**
 * The way out to addresses that somebody else has named, who may have named our own network. A host is looked up once, every address found
 * must be public or of a network that the settings allow, and the connection goes to those addresses alone. It follows no redirect.
 */
export interface SafeFetch {
  /** Why nothing is ever fetched from this URL, as far as its text tells; undefined when the look-up will tell. */
  refusal(url: URL): string | undefined;
  /** Gets a document, or throws. */
  get(url: URL, headers: Readonly<Record<string, string>>): Promise<FetchedDocument>;
  /** Sends a document and gets the answer, or throws. */
  post(url: URL, headers: Readonly<Record<string, string>>, body: string): Promise<FetchedDocument>;
}

export interface FetchedDocument {
  status: number;
  body: Buffer;
}

export interface SafeFetchOptions {
  /** The networks that may be fetched from though they are not public. */
  allowedNetworks: readonly string[];
  mostBytes: number;
  timeoutMs: number;
  lookup?: typeof systemLookup;
}

// What is not on the public Internet (the IANA registries of special-purpose addresses).
const PRIVATE_IPV4 = [
  "0.0.0.0/8",
  "10.0.0.0/8",
  "100.64.0.0/10",
  "127.0.0.0/8",
  "169.254.0.0/16",
  "172.16.0.0/12",
  "192.0.0.0/24",
  "192.0.2.0/24",
  "192.88.99.0/24",
  "192.168.0.0/16",
  "198.18.0.0/15",
  "198.51.100.0/24",
  "203.0.113.0/24",
  "224.0.0.0/3",
];
// Only 2000::/3 is handed out. In it, Teredo (2001::/23) and 6to4 (2002::/16) hold an IPv4 address, which may be a private one.
const PUBLIC_IPV6 = ["2000::/3"];
const PRIVATE_IPV6 = ["2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"];

const MOST_WELL_KNOWN_PORT = 1023;

export function createSafeFetch(options: SafeFetchOptions): SafeFetch {
  const { mostBytes, timeoutMs, lookup = systemLookup } = options;
  const isAllowed = createAllowed(options.allowedNetworks);

  const refusal = (url: URL): string | undefined => {
    if (url.protocol !== "https:" && url.protocol !== "http:") return "the URL must be https or http";
    if (url.username !== "" || url.password !== "") return "the URL must hold no username and no password";
    // A web server listens on its own ports or on a high one; behind the others are services that are not to be talked to.
    if (url.port !== "" && Number(url.port) <= MOST_WELL_KNOWN_PORT && !["80", "443"].includes(url.port))
      return "the URL names a port of another service";
    const host = hostOf(url);
    const isPrivate = isIP(host) === 0 ? /(^|\.)localhost\.?$/.test(host) && !isAllowed("127.0.0.1") : !isAllowed(host);
    return isPrivate ? "the URL names an address that is not public" : undefined;
  };

  /** The look-up of a connection: what it gives is what is connected to, so nothing can change after the check. */
  const checkedLookup: LookupFunction = (host, given, done) => {
    lookup(host, { ...given, all: true }, (error, found: LookupAddress[]) => {
      if (error !== null) return done(error, "");
      const bad = found.find(({ address }) => !isAllowed(address));
      if (found.length === 0 || bad !== undefined) return done(new Error(`${host} is not a public address`), "");
      return given.all === true ? done(null, found) : done(null, found[0]?.address ?? "", found[0]?.family);
    });
  };

  const exchange = async (method: string, url: URL, headers: Readonly<Record<string, string>>, body?: string) => {
    const reason = refusal(url);
    if (reason !== undefined) throw new Error(reason);
    const request = url.protocol === "https:" ? requestHttps : requestHttp;
    return await new Promise<FetchedDocument>((resolve, reject) => {
      const outgoing = request(url, {
        method,
        headers: { ...headers, "accept-encoding": "identity" },
        agent: false,
        lookup: checkedLookup,
        signal: AbortSignal.timeout(timeoutMs),
      });
      outgoing.on("error", reject);
      outgoing.on("response", (response) => {
        const chunks: Buffer[] = [];
        let bytes = 0;
        response.on("data", (chunk: Buffer) => {
          bytes += chunk.length;
          if (bytes > mostBytes) outgoing.destroy(new Error(`the document is larger than ${mostBytes} bytes`));
          else chunks.push(chunk);
        });
        response.on("end", () => resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks) }));
        response.on("error", reject);
      });
      outgoing.end(body);
    });
  };

  return {
    refusal,
    get: (url, headers) => exchange("GET", url, headers),
    post: (url, headers, body) => exchange("POST", url, headers, body),
  };
}

/** Whether an exchange failed by its connection, so that nothing was answered: it is no time-out and no refusal. */
export function failedToConnect(error: unknown): boolean {
  return error instanceof Error && "code" in error && CONNECTION_FAILURES.has(String(error.code));
}

const CONNECTION_FAILURES: ReadonlySet<string> = new Set([
  "EAI_AGAIN",
  "ECONNREFUSED",
  "ECONNRESET",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "EPIPE",
  "ETIMEDOUT",
]);

/** Makes the function that tells whether an address may be connected to. */
function createAllowed(allowedNetworks: readonly string[]): (address: string) => boolean {
  const allowed = listOf(allowedNetworks);
  const privateIpv4 = listOf(PRIVATE_IPV4);
  const [publicIpv6, privateIpv6] = [listOf(PUBLIC_IPV6), listOf(PRIVATE_IPV6)];
  return (address) => {
    const family = isIPv6(address) ? "ipv6" : "ipv4";
    if (allowed.check(address, family)) return true;
    if (family === "ipv4") return !privateIpv4.check(address);
    return publicIpv6.check(address, family) && !privateIpv6.check(address, family);
  };
}

function listOf(networks: readonly string[]): BlockList {
  const list = new BlockList();
  for (const network of networks) {
    const [address = "", bits] = network.split("/");
    const family = isIPv6(address) ? "ipv6" : "ipv4";
    if (bits === undefined) list.addAddress(address, family);
    else list.addSubnet(address, Number(bits), family);
  }
  return list;
}

/** The host of a URL, an IPv6 address without its brackets. */
function hostOf(url: URL): string {
  return url.hostname.replace(/^\[(.*)\]$/, "$1");
}
