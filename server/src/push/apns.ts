import { createHash } from "node:crypto";
import type { ClientHttp2Session, ClientHttp2Stream, OutgoingHttpHeaders } from "node:http2";
import { connect as connectTls } from "node:tls";
import { Provider as NodeApn, Notification, type ResponseFailure } from "node-apn";
import type { Push } from "../ports.js";
import type { PushSecret } from "../store/push-credentials.js";
import { type ApnsAnswer, apnsOutcome } from "./apns-outcome.js";
import { codeOf, type Provider, type ProviderOptions, retryAfterMs } from "./provider.js";

export interface ApnsOptions extends ProviderOptions {
  production: boolean;
  /** Where to connect to instead of Apple. */
  url: URL | undefined;
  /** What the server's certificate is checked with, in PEM, instead of the well-known authorities. */
  ca: string | undefined;
}

type ApnsSecret = Extract<PushSecret, { kind: "apns_token" | "apns_certificate" }>;

const PRIORITY = { atOnce: 10, saving: 5 };

/** The way to Apple by node-apn, which is left neither its tries nor its time-outs (ADR 22). */
export function createApns(secret: ApnsSecret, options: ApnsOptions): Provider {
  let connection = openConnection(secret, options);
  const retired = new Set<Connection>();

  /** HTTP/2 does not tell a dead connection from a slow one: the next push gets another. */
  const replace = (old: Connection) => {
    if (connection !== old) return;
    connection = openConnection(secret, options);
    retired.add(old);
    void old.retire().then(() => retired.delete(old));
  };

  return {
    async send(token, push, overdue) {
      // It becomes a part of a path. What is none of Apple's tokens is told by Apple, as far as it can be asked.
      if (!/^[A-Za-z0-9_-]{1,512}$/.test(token)) return { kind: "dead_token", reason: "BadDeviceToken" };
      const notification = notificationOf(secret.topic, push);
      const used = connection;
      overdue.addEventListener("abort", () => replace(used), { once: true });
      const answer = await used.ask(notification, token);
      if (answer.reason !== "ExpiredProviderToken") return apnsOutcome(answer);
      // The library has made a new one: it is wrong only once unless the clock is.
      return apnsOutcome(await used.ask(notification, token));
    },
    close() {
      for (const each of [connection, ...retired]) each.end();
    },
  };
}

interface Connection {
  ask(notification: Notification, token: string): Promise<ApnsAnswer>;
  /** Takes no more, and ends when what is under way has been answered or its time is over. */
  retire(): Promise<void>;
  end(): void;
}

function openConnection(secret: ApnsSecret, options: ApnsOptions): Connection {
  const { url, ca, production, timeoutMs, clock } = options;
  const login =
    secret.kind === "apns_token"
      ? { token: { key: Buffer.from(secret.key), keyId: secret.keyId, teamId: secret.teamId } }
      : { key: Buffer.from(secret.key), cert: Buffer.from(secret.certificates) };
  const provider = new NodeApn({
    ...login,
    production,
    connectionRetryLimit: 0,
    requestTimeout: timeoutMs,
    // Handed on to http2.connect. The library's own `address` would also say which environment a certificate must be for.
    ...({ createConnection: (authority: URL) => openSocket(url ?? authority, login, ca) } as object),
  });
  const heard = listen(provider, options.answerBytes);
  let underWay = 0;
  let whenIdle: (() => void) | undefined;
  const end = () => {
    void provider.shutdown();
    heard.destroy();
  };
  return {
    async ask(notification, token) {
      underWay += 1;
      try {
        return answerOf(await provider.send(notification, token), clock.now());
      } finally {
        underWay -= 1;
        if (underWay === 0) whenIdle?.();
      }
    },
    async retire() {
      // Not by the library's own way to close, which breaks off what is under way when the other side closes too.
      await new Promise<void>((resolve) => {
        const timer = clock.setTimer(resolve, timeoutMs);
        whenIdle = () => {
          timer.cancel();
          resolve();
        };
        if (underWay === 0) whenIdle();
      });
      end();
    },
    end,
  };
}

function answerOf({ sent, failed }: Awaited<ReturnType<NodeApn["send"]>>, nowMs: number): ApnsAnswer {
  if (sent.length > 0) return { status: 200 };
  const [failure] = failed as (ResponseFailure & Heard)[];
  return {
    status: failure?.heardStatus ?? numberOf(failure?.status),
    reason: reasonOf(failure),
    timestamp: numberOf(failure?.response?.timestamp),
    delayMs: retryAfterMs(failure?.heardRetryAfter, nowMs),
  };
}

/** The word for a failure: Apple's own, or the system's when there was no answer. */
function reasonOf(failure: ResponseFailure | undefined): string | undefined {
  if (failure?.response?.reason !== undefined) return failure.response.reason;
  if (failure?.status === 403) return failure.error?.message;
  return codeOf(failure?.error ?? failure);
}

function openSocket(url: URL, { cert, key }: { cert?: Buffer; key?: Buffer }, ca: string | undefined) {
  const host = url.hostname.replace(/^\[(.*)\]$/, "$1");
  return connectTls({
    host,
    port: url.port === "" ? 443 : Number(url.port),
    servername: /^[\d.]+$|:/.test(host) ? "" : host,
    ALPNProtocols: ["h2"],
    ...(cert !== undefined && { cert }),
    ...(key !== undefined && { key }),
    ...(ca !== undefined && { ca }),
  });
}

/** What of an answer the library keeps to itself. */
interface Heard {
  heardStatus?: number;
  heardRetryAfter?: string;
}

type Ask = (session: ClientHttp2Session, ...rest: unknown[]) => Promise<unknown>;

/**
 * Listens in on the library's requests. It looks for Retry-After under a name that HTTP/2 does not have and forgets the status of an
 * answer without JSON, so both are read beside it and added to its failures.
 */
function listen(provider: NodeApn, answerBytes: number): { destroy(): void } {
  const { client } = provider as unknown as { client: { request: Ask } };
  const request = client.request;
  let session: ClientHttp2Session | undefined;
  client.request = async (used, ...rest) => {
    session = used;
    const heard: Heard = {};
    const open = (headers: OutgoingHttpHeaders): ClientHttp2Stream => hear(used.request(headers), heard, answerBytes);
    const listening = Object.create(used, { request: { value: open } }) as ClientHttp2Session;
    // The library's failures are plain objects, and what is added to one comes out at its other end.
    return await request
      .call(client, listening, ...rest)
      .catch((failure: object) => Promise.reject({ ...failure, ...heard }));
  };
  return { destroy: () => session?.destroy() };
}

function hear(stream: ClientHttp2Stream, heard: Heard, answerBytes: number): ClientHttp2Stream {
  let bytes = 0;
  stream.on("response", (headers) => {
    if (headers[":status"] !== undefined) heard.heardStatus = headers[":status"];
    if (headers["retry-after"] !== undefined) heard.heardRetryAfter = headers["retry-after"];
  });
  stream.on("data", (chunk: Buffer | string) => {
    bytes += chunk.length;
    if (bytes > answerBytes) stream.destroy(new Error(`the answer is larger than ${answerBytes} bytes`));
  });
  return stream;
}

function notificationOf(topic: string, push: Push): Notification {
  const notification = new Notification();
  const silent = push.title === "" && push.body === "";
  notification.topic = topic;
  notification.id = push.pushId;
  notification.collapseId = headerText(push.collapseId);
  notification.pushType = silent ? "background" : "alert";
  notification.priority = silent ? PRIORITY.saving : PRIORITY.atOnce;
  notification.expiry = Math.floor(push.expireMs / 1000);
  notification.aps = {
    ...(!silent && { alert: { ...(push.title !== "" && { title: push.title }), body: push.body } }),
    ...(!silent && { badge: push.badge }),
    ...(!silent && push.sound !== "" && { sound: push.sound }),
    ...(push.threadId !== "" && { "thread-id": push.threadId }),
    ...((push.contentAvailable || silent) && { "content-available": 1 as const }),
  };
  notification.payload = { parley: push.data };
  return notification;
}

/** A text as a header may carry it: what it cannot is told apart by a hash, since nobody reads it. */
function headerText(text: string): string {
  return /^[\x21-\x7e]{0,64}$/.test(text) ? text : createHash("sha256").update(text).digest("base64url");
}

function numberOf(value: unknown): number | undefined {
  const number = Number(value);
  return value === undefined || Number.isNaN(number) ? undefined : number;
}
