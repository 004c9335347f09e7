import { createServer as createH1 } from "node:http";
import { createServer as createH2, type ServerHttp2Session } from "node:http2";
import { type AddressInfo, createServer as createTcp, type Socket } from "node:net";
import type { Logger } from "../ops/logger.js";
import type { PortErrors } from "../ports.js";
import { type AdmissionOptions, createAdmission } from "./admission.js";
import { answerClientErrors } from "./client-error.js";
import { guardRequests } from "./guard.js";
import { watchSession } from "./h2-session.js";
import { type Credentials, createHandshake } from "./handshake.js";
import type { HttpLimits } from "./limits.js";
import { listen, localUrl } from "./listen.js";
import type { HttpHandler } from "./message.js";
import { type Protocol, sniff } from "./sniff.js";

export interface OnePortOptions {
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
  /** Without it the port is cleartext, for a proxy in front or for one machine. */
  readonly tls?: Credentials | undefined;
  readonly limits: HttpLimits;
  readonly errors: PortErrors;
  /** Whether clients are to go on elsewhere for now: connections are taken, and end with their first answer. */
  readonly sendsAway?: (() => boolean) | undefined;
  /** Addresses that the limits on one address do not hold for. */
  readonly exempt?: AdmissionOptions["exempt"] | undefined;
  /** Told of each connection that was refused, and why. */
  readonly onRefused?: ((reason: "address" | "full") => void) | undefined;
  readonly log?: Logger | undefined;
}

export interface OnePort {
  readonly url: string;
  readonly port: number;
  /** Stops accepting, tells every client to finish, and cuts what is still open after the grace. Repeatable. */
  close(graceMs: number): Promise<void>;
}

/**
 * One port for HTTP/1.1 and HTTP/2. Neither server listens: sockets are handed to them once their protocol is known, by
 * their first bytes or, with TLS, by ALPN. (http2.createSecureServer({ allowHTTP1 }) would do the latter, but it looks
 * for expired HTTP/1.1 requests only every 30 s and takes none of that protocol's other bounds.)
 */
export async function listenOnePort(handler: HttpHandler, options: OnePortOptions): Promise<OnePort> {
  const { limits, tls, errors } = options;
  const sockets = new Set<Socket>();
  const undecided = new Set<Socket>();
  const sessions = new Set<ServerHttp2Session>();
  let closing: Promise<void> | undefined;

  const sendsAway = (): boolean => closing !== undefined || options.sendsAway?.() === true;
  const guarded = guardRequests(handler, { limits, sendsAway, errors, log: options.log });
  const h1 = createH1(
    {
      headersTimeout: limits.headersTimeoutMs,
      requestTimeout: 0, // the guard's, which knows both protocols
      connectionsCheckingInterval: Math.min(1000, limits.headersTimeoutMs),
      keepAliveTimeout: limits.keepAliveTimeoutMs,
      maxHeaderSize: limits.maxHeaderBytes,
    },
    guarded,
  );
  h1.timeout = limits.stallTimeoutMs;
  answerClientErrors(h1, errors);
  // A server that never listens does not start to look for expired requests by itself.
  h1.emit("listening");
  const h2 = createH2(
    {
      maxHeaderListPairs: limits.maxHeaderListPairs,
      maxSessionMemory: limits.maxSessionMemoryMb,
      settings: { maxConcurrentStreams: limits.maxConcurrentStreams, maxHeaderListSize: limits.maxHeaderBytes },
    },
    guarded,
  );

  const serve = (socket: Socket, protocol: Protocol): void => {
    if (protocol === "h1") {
      h1.emit("connection", socket);
      return;
    }
    h2.once("session", (session: ServerHttp2Session) => {
      sessions.add(session);
      socket.once("close", () => sessions.delete(session));
      watchSession(session, socket, limits);
    });
    h2.emit("connection", socket); // emits "session" before it returns
  };

  const handshake = tls && createHandshake(tls, limits.sniffTimeoutMs);
  const server = createTcp({ noDelay: true, keepAlive: true, keepAliveInitialDelay: limits.tcpKeepAliveMs });
  server.maxConnections = limits.maxConnections;
  server.on("drop", () => options.onRefused?.("full"));
  const admit = createAdmission({
    perAddress: limits.connectionsPerAddress,
    perSecond: limits.newConnectionsPerSecond,
    exempt: options.exempt ?? (() => false),
    nowMs: () => performance.now(),
  });
  server.on("connection", (socket) => {
    const leave = admit(socket.remoteAddress ?? "");
    if (leave === undefined) {
      options.onRefused?.("address");
      socket.resetAndDestroy();
      return;
    }
    socket.once("close", leave);
    sockets.add(socket);
    undecided.add(socket);
    socket.once("close", () => {
      sockets.delete(socket);
      undecided.delete(socket);
    });
    socket.on("error", () => socket.destroy());
    const decided = (speaking: Socket, protocol: Protocol): void => {
      undecided.delete(socket);
      serve(speaking, protocol);
    };
    if (handshake) handshake(socket, decided);
    else sniff(socket, limits.sniffTimeoutMs, (protocol) => decided(socket, protocol));
  });

  await listen(server, options.host, options.port);
  // From here on an error of the listening socket (too many open files) is passing: log it and go on.
  server.on("error", (err) => options.log?.error({ err }, "the listening socket failed"));
  const { port } = server.address() as AddressInfo;

  const shutDown = async (graceMs: number): Promise<void> => {
    const ended = new Promise<void>((resolve) => server.close(() => resolve()));
    for (const socket of undecided) socket.destroy();
    for (const session of sessions) session.close();
    h1.close(); // ends idle connections and the search for expired requests
    const grace = setTimeout(() => {
      for (const socket of sockets) socket.destroy();
    }, graceMs);
    await ended;
    clearTimeout(grace);
  };

  return {
    url: localUrl(tls ? "https" : "http", options.host, port),
    port,
    close: (graceMs) => (closing ??= shutDown(graceMs)),
  };
}
