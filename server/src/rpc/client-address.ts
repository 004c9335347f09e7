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

  return (request) => {
    let address = plainAddress(request.socket?.remoteAddress ?? "");
    if (!isTrusted(address)) return address;
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
