import type { Socket } from "node:net";
import { createServer, type TLSSocket } from "node:tls";
import type { Protocol } from "./sniff.js";

/** PEM. */
export interface Credentials {
  readonly cert: string | Buffer;
  readonly key: string | Buffer;
}

export type Handshake = (socket: Socket, done: (secure: TLSSocket, protocol: Protocol) => void) => void;

/** What the two ends of one connection have in common: node:tls does not say which socket a secure one wraps. */
const peer = (socket: Socket): string => `${socket.remoteAddress} ${socket.remotePort}`;

/**
 * Puts TLS on accepted sockets and tells the protocol by ALPN. A socket that is not through in time is destroyed;
 * Node's own handshakeTimeout starts anew with each byte and then only emits an event.
 */
export function createHandshake(credentials: Credentials, timeoutMs: number): Handshake {
  const waiting = new Map<string, (secure: TLSSocket) => void>();
  const server = createServer({ ...credentials, minVersion: "TLSv1.2", ALPNProtocols: ["h2", "http/1.1"] });
  server.on("secureConnection", (secure) => waiting.get(peer(secure))?.(secure));

  return (socket, done) => {
    const key = peer(socket);
    const deadline = setTimeout(() => socket.destroy(), timeoutMs);
    const finish = (secure: TLSSocket): void => {
      stop();
      secure.on("error", () => secure.destroy());
      done(secure, secure.alpnProtocol === "h2" ? "h2" : "h1");
    };
    const stop = (): void => {
      clearTimeout(deadline);
      if (waiting.get(key) === finish) waiting.delete(key);
    };
    waiting.set(key, finish);
    socket.once("close", stop);
    server.emit("connection", socket);
  };
}
