import { isIP } from "node:net";
import { createNetworks, plainAddress } from "../ops/address.js";

/** What is needed of a request to tell where it comes from. */
interface Origin {
  socket?: { remoteAddress?: string | undefined } | undefined;
  headers: Record<string, string | string[] | undefined>;
}

/**
 * Makes the function that tells a client's address: the socket's, or, when that is a trusted proxy's, the last one in X-Forwarded-For
 * that is not. What a client itself puts into that header is never believed.
 */
export function createAddressOf(trustedProxies: readonly string[]): (request: Origin) => string {
  const isTrusted = createNetworks(trustedProxies);
  const isProxy = remembered(isTrusted);

  return (request) => {
    let address = plainAddress(request.socket?.remoteAddress ?? "");
    if (!isProxy(address)) return address;
    const forwarded = String(request.headers["x-forwarded-for"] ?? "").split(",");
    for (const hop of forwarded.reverse()) {
      const candidate = plainAddress(hop.trim());
      if (isIP(candidate) === 0) break;
      address = candidate;
      if (!isTrusted(candidate)) break;
    }
    return address;
  };
}

const MOST_REMEMBERED = 1_000;

/** Remembers the verdicts on the addresses of sockets, which come again with every call and are dear to judge. */
function remembered(judge: (address: string) => boolean): (address: string) => boolean {
  const verdicts = new Map<string, boolean>();
  return (address) => {
    let verdict = verdicts.get(address);
    if (verdict === undefined) {
      verdict = judge(address);
      if (verdicts.size >= MOST_REMEMBERED) verdicts.clear();
      verdicts.set(address, verdict);
    }
    return verdict;
  };
}
