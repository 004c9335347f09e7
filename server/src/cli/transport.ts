import type { Interceptor, Transport } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";

/** The way to a running server; calls carry the token once there is one. */
export function transportTo(url: string, token: () => string | undefined): Transport {
  const authorize: Interceptor = (next) => (request) => {
    const bearer = token();
    if (bearer !== undefined) request.header.set("authorization", `Bearer ${bearer}`);
    return next(request);
  };
  return createConnectTransport({ baseUrl: url, httpVersion: "1.1", interceptors: [authorize] });
}
