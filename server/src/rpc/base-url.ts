/** What is needed of a request to tell by which address it came. */
interface Arrival {
  headers: Record<string, string | string[] | undefined>;
  socket?: { encrypted?: boolean } | undefined;
}

/**
 * The address of this server as the caller knows it: by what the caller itself and the proxies before us say. Whoever lies in these headers gets
 * addresses that lead elsewhere, and nobody else does; PARLEY_PUBLIC_URL goes before them.
 */
export function baseUrlOf({ headers, socket }: Arrival): string {
  const host = String(headers[":authority"] ?? headers.host ?? "");
  const given = String(headers["x-forwarded-proto"] ?? headers[":scheme"] ?? "");
  const encrypted = /^https$/i.test(given) || (given === "" && socket?.encrypted === true);
  return `${encrypted ? "https" : "http"}://${host}`;
}
