import http from "node:http";
import type { Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";
import { createPlainTransport } from "./plain-transport.js";

/** The ways to speak to the server. */
export type Protocol = "connect-h2" | "connect-h1" | "grpc-h2" | "plain-h1";

/** A transport with connections of its own, as every device has. */
export interface OwnTransport {
  readonly transport: Transport;
  close(): void;
}

export function openTransport(protocol: Protocol, baseUrl: string): OwnTransport {
  if (protocol === "connect-h1" || protocol === "plain-h1") {
    const agent = new http.Agent({ keepAlive: true, noDelay: true });
    const nodeOptions = { agent };
    const transport =
      protocol === "plain-h1"
        ? createPlainTransport(baseUrl, agent)
        : createConnectTransport({ baseUrl, httpVersion: "1.1", nodeOptions });
    return { transport, close: () => agent.destroy() };
  }
  const sessionManager = new Http2SessionManager(baseUrl);
  const close = (): void => sessionManager.abort();
  if (protocol === "grpc-h2") return { transport: createGrpcTransport({ baseUrl, sessionManager }), close };
  return { transport: createConnectTransport({ baseUrl, httpVersion: "2", sessionManager }), close };
}
