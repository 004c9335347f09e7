import { verify } from "node:crypto";
import { once } from "node:events";
import {
  createSecureServer,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from "node:http2";
import type { AddressInfo } from "node:net";
import type { TLSSocket } from "node:tls";
import { type FakeProvider, jwtPart, type ProviderAnswer, writeEndlessly } from "./fake-provider.js";
import type { PushKeys } from "./push-keys.js";

/** A request as Apple gets it. */
interface ApnsRequest {
  /** By the clock of performance.now. */
  atMs: number;
  /** Which connection of the fake it came on, from 1. */
  connection: number;
  token: string;
  /** The host that was asked, which tells production and sandbox apart. */
  authority: string;
  topic: string;
  pushId: string;
  collapseId: string;
  pushType: string;
  priority: string;
  /** Seconds since 1970. */
  expiration: string;
  /** Who proved to be asking; undefined for nobody. */
  by: { kind: "token"; keyId: string; teamId: string; jwt: string } | { kind: "certificate"; uid: string } | undefined;
  payload: Record<string, unknown>;
}

export type FakeApns = FakeProvider<ApnsRequest>;

/** Apple's service over real HTTP/2 and TLS: it checks who asks, by token or by certificate, then does as its script says. */
export async function startFakeApns(keys: PushKeys): Promise<FakeApns> {
  const received: ApnsRequest[] = [];
  const sessions = new Map<ServerHttp2Session, { number: number; socket: TLSSocket }>();
  let accepted = 0;
  let script: (request: ApnsRequest) => ProviderAnswer = () => ({ status: 200 });

  const server = createSecureServer({ ...keys.server, ca: keys.ca, requestCert: true, rejectUnauthorized: false });
  // A session does not give its socket away to be destroyed, so it is taken before.
  let socket: TLSSocket;
  server.prependListener("secureConnection", (accepted: TLSSocket) => {
    socket = accepted;
  });
  server.on("session", (session) => {
    accepted += 1;
    sessions.set(session, { number: accepted, socket });
    session.on("close", () => sessions.delete(session)).on("error", () => undefined);
  });
  server.on("stream", (stream, headers) => {
    stream.on("error", () => undefined);
    void bodyOf(stream).then((body) => {
      if (stream.session === undefined || stream.destroyed) return;
      const of = sessions.get(stream.session as ServerHttp2Session);
      const text = (name: string) => String(headers[name] ?? "");
      const request: ApnsRequest = {
        atMs: performance.now(),
        connection: of?.number ?? 0,
        token: text(":path").replace("/3/device/", ""),
        authority: text(":authority"),
        topic: text("apns-topic"),
        pushId: text("apns-id"),
        collapseId: text("apns-collapse-id"),
        pushType: text("apns-push-type"),
        priority: text("apns-priority"),
        expiration: text("apns-expiration"),
        by: whoAsks(stream, headers, keys),
        payload: JSON.parse(body) as Record<string, unknown>,
      };
      received.push(request);
      act(stream, of?.socket, refusalOf(request, text("authorization") !== "") ?? script(request));
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");

  const close = async () => {
    for (const session of sessions.keys()) session.destroy();
    await new Promise((resolve) => server.close(resolve));
  };
  return {
    url: new URL(`https://127.0.0.1:${(server.address() as AddressInfo).port}`),
    received,
    get connections() {
      return sessions.size;
    },
    script(answer) {
      script = answer;
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** An answer of Apple that is no success. */
export function apnsError(
  status: number,
  reason: string,
  more: object = {},
  headers: Record<string, string> = {},
): ProviderAnswer {
  return { status, body: { reason, ...more }, headers };
}

async function bodyOf(stream: ServerHttp2Stream): Promise<string> {
  let body = "";
  for await (const chunk of stream.setEncoding("utf8")) body += String(chunk);
  return body;
}

function act(stream: ServerHttp2Stream, socket: TLSSocket | undefined, answer: ProviderAnswer): void {
  const session = stream.session as ServerHttp2Session;
  if (answer === "hang") return;
  if (answer === "reset") return void socket?.destroy();
  if (answer === "goaway") {
    session.goaway(0, Math.max(0, (stream.id ?? 2) - 2));
    return void setImmediate(() => session.destroy());
  }
  if (answer === "endless") {
    stream.respond({ ":status": 400 });
    return void writeEndlessly(stream);
  }
  const { status, body, headers } = answer;
  stream.respond({ ":status": status, ...headers });
  stream.end(body === undefined || typeof body === "string" ? body : JSON.stringify(body));
}

function whoAsks(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, keys: PushKeys): ApnsRequest["by"] {
  const { authorization } = headers;
  if (authorization !== undefined) {
    const jwt = authorization.replace(/^bearer /i, "");
    const [head, claims, signature = ""] = jwt.split(".");
    const key = { key: keys.token.publicKey, dsaEncoding: "ieee-p1363" as const };
    const good = verify("sha256", Buffer.from(`${head}.${claims}`), key, Buffer.from(signature, "base64url"));
    const [{ alg, kid }, { iss, iat }] = [jwtPart(jwt, 0), jwtPart(jwt, 1)];
    const fresh = Math.abs(Date.now() / 1000 - Number(iat)) < 3600;
    return good && fresh && alg === "ES256"
      ? { kind: "token", keyId: String(kid), teamId: String(iss), jwt }
      : undefined;
  }
  const socket = stream.session?.socket as unknown as TLSSocket;
  if (!socket.authorized) return undefined;
  return { kind: "certificate", uid: String((socket.getPeerCertificate().subject as { UID?: string }).UID) };
}

function refusalOf({ by, topic }: ApnsRequest, tokenGiven: boolean): ProviderAnswer | undefined {
  if (by === undefined) return apnsError(403, tokenGiven ? "InvalidProviderToken" : "MissingProviderToken");
  return by.kind === "certificate" && by.uid !== topic ? apnsError(400, "TopicDisallowed") : undefined;
}
