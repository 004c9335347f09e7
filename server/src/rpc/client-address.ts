import { BlockList, isIP, isIPv6 } from "node:net";

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
  const trusted = new BlockList();
  for (const proxy of trustedProxies) {
    const [network = "", bits] = proxy.split("/");
    const family = isIPv6(network) ? "ipv6" : "ipv4";
    if (bits === undefined) trusted.addAddress(network, family);
    else trusted.addSubnet(network, Number(bits), family);
  }
  const isTrusted = (address: string) =>
    isIP(address) !== 0 && trusted.check(address, isIPv6(address) ? "ipv6" : "ipv4");

  return (request) => {
    let address = plain(request.socket?.remoteAddress ?? "");
    if (trustedProxies.length === 0 || !isTrusted(address)) return address;
    const forwarded = String(request.headers["x-forwarded-for"] ?? "").split(",");
    for (const hop of forwarded.reverse()) {
      const candidate = plain(hop.trim());
      if (isIP(candidate) === 0) break;
      address = candidate;
      if (!isTrusted(candidate)) break;
    }
    return address;
  };
}

/** An IPv4 address that a dual-stack socket tells as IPv6, in its own form. */
function plain(address: string): string {
  return address.startsWith("::ffff:") ? address.slice(7) : address;
}
