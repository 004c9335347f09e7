import { connect, type Msg, type NatsConnection, type Subscription } from "@nats-io/transport-node";
import type { Clock } from "../ops/clock.js";
import type { Logger } from "../ops/logger.js";
import type { Metrics } from "../ops/metrics.js";
import type { Bus, BusListener, BusState, TransientEvent } from "../ports.js";
import { idOf, isRoomPlace } from "../store/audience.js";
import { decode, encodeRange, encodeSignal, encodeTransient } from "./bus-codec.js";

/** Where the servers of NATS are, and how one is let in. */
export interface NatsAddress {
  /** Host and port of each. */
  servers: readonly string[];
  tls: boolean;
  user?: string | undefined;
  password?: string | undefined;
  token?: string | undefined;
}

export interface NatsBusOptions {
  address: NatsAddress;
  /** A larger range goes as a doorbell. */
  rangeBytes: number;
  clock: Clock;
  logger: Logger;
  metrics: Pick<Metrics, "busDropped" | "busIgnored">;
}

const CONNECT_MS = 2_000;
const RECONNECT_MS = 200;
const JITTER_MS = 100;
/** Two pings without an answer, and the connection is given up. */
const PING_MS = 2_000;

/**
 * The bus over NATS: subjects `parley.<app>.log` for ranges, `parley.<app>.live` and `parley.<app>.room.<room>` for transient events,
 * `parley.<app>.signal` for signals. It connects in the background, for ever: a node without its bus works, only later.
 */
export function createNatsBus(options: NatsBusOptions): Bus {
  const { address, clock, logger, metrics } = options;
  const listeners: BusListener[] = [];
  const interests = new Map<string, { appId: string; times: number; subscription?: Subscription }>();
  let connection: NatsConnection | undefined;
  let isUp = false;
  let isClosed = false;
  let stopWaiting = () => {};

  const turn = (up: boolean, server: string) => {
    if (isUp === up) return;
    isUp = up;
    if (up) logger.info({ server }, "the bus is up");
    else if (!isClosed) logger.warn({ server }, "the bus is down; what other nodes write is read from the store");
    for (const listener of listeners) listener.state?.(state());
  };
  const state = (): BusState => (isUp ? "up" : "down");

  const connectOnce = () =>
    connect({
      servers: [...address.servers],
      ...(address.tls && { tls: {} }),
      ...(address.user !== undefined && { user: address.user, pass: address.password ?? "" }),
      ...(address.token !== undefined && { token: address.token }),
      name: "parley",
      noEcho: true,
      timeout: CONNECT_MS,
      pingInterval: PING_MS,
      maxPingOut: 2,
      maxReconnectAttempts: -1,
      reconnectTimeWait: RECONNECT_MS,
      reconnectJitter: JITTER_MS,
      reconnectJitterTLS: JITTER_MS,
      // Who is refused today may be let in when somebody has put it right.
      ignoreAuthErrorAbort: true,
    });

  /** Connects, and again should the client ever give up. */
  const keepConnected = async () => {
    let lastProblem = "";
    while (!isClosed) {
      try {
        const made = await connectOnce();
        lastProblem = "";
        await serve(made);
      } catch (error) {
        const problem = error instanceof Error ? error.message : String(error);
        if (problem !== lastProblem)
          logger.warn({ servers: address.servers, problem }, "the bus cannot be reached yet");
        lastProblem = problem;
      }
      if (!isClosed) await pause(RECONNECT_MS + JITTER_MS * Math.random());
    }
  };

  /** Uses a connection until it is over. */
  const serve = async (made: NatsConnection) => {
    if (isClosed) return await made.close();
    connection = made;
    for (const [subject, interest] of interests) listen(subject, interest);
    made.subscribe("parley.*.signal", { callback: (error, message) => hear(appIn(message?.subject), error, message) });
    turn(true, made.getServer());
    for await (const status of made.status()) {
      if (status.type === "disconnect") turn(false, status.server);
      else if (status.type === "reconnect") turn(true, status.server);
      else if (status.type === "error") logger.warn({ problem: status.error.message }, "the bus refuses something");
    }
    connection = undefined;
    for (const interest of interests.values()) delete interest.subscription;
    turn(false, address.servers.join());
  };

  const pause = (ms: number) =>
    new Promise<void>((resolve) => {
      const timer = clock.setTimer(resolve, ms);
      stopWaiting = () => {
        timer.cancel();
        resolve();
      };
    });

  const listen = (subject: string, interest: { appId: string; subscription?: Subscription }) => {
    if (connection === undefined) return;
    interest.subscription = connection.subscribe(subject, {
      callback: (error, message) => hear(interest.appId, error, message),
    });
  };

  const hear = (appId: string | undefined, error: Error | null, message: Msg) => {
    if (error !== null || isClosed) return;
    // What is held would otherwise keep much more in memory than itself.
    const heard = appId === undefined ? "malformed" : decode(appId, new Uint8Array(message.data));
    if (typeof heard === "string") return metrics.busIgnored.inc({ reason: heard });
    try {
      for (const listener of listeners) {
        if (heard.form === "range") listener.range?.(heard.range, false);
        else if (heard.form === "doorbell") listener.doorbell?.(heard.bell);
        else if (heard.form === "transient") listener.transient?.(heard.event, false);
        else listener.signal?.(heard.signal, false);
      }
    } catch (failure) {
      logger.error({ err: failure, appId }, "what the bus brought could not be taken");
    }
  };

  const send = (subject: string, encode: (mostBytes: number) => Uint8Array) => {
    const mostBytes = connection?.info?.max_payload;
    if (connection === undefined || mostBytes === undefined || !isUp) return metrics.busDropped.inc({ reason: "down" });
    const bytes = encode(mostBytes);
    if (bytes.length > mostBytes) return metrics.busDropped.inc({ reason: "large" });
    try {
      connection.publish(subject, bytes);
    } catch {
      // It was lost a moment ago.
      metrics.busDropped.inc({ reason: "down" });
    }
  };

  const follow = (appId: string, subject: string) => {
    const known = interests.get(subject);
    if (known !== undefined) {
      known.times++;
      return;
    }
    const interest = { appId, times: 1 };
    interests.set(subject, interest);
    listen(subject, interest);
  };
  const unfollow = (subject: string) => {
    const interest = interests.get(subject);
    if (interest === undefined) return;
    interest.times--;
    if (interest.times > 0) return;
    interests.delete(subject);
    interest.subscription?.unsubscribe();
  };

  void keepConnected();
  return {
    publish(range) {
      for (const listener of listeners) listener.range?.(range, true);
      send(logSubject(range.appId), (mostBytes) => encodeRange(range, Math.min(options.rangeBytes, mostBytes)));
    },
    publishTransient(event) {
      for (const listener of listeners) listener.transient?.(event, true);
      send(liveSubject(event), () => encodeTransient(event));
    },
    publishSignal(signal) {
      for (const listener of listeners) listener.signal?.(signal, true);
      send(`${prefixOf(signal.appId)}.signal`, () => encodeSignal(signal));
    },
    follow(appId, room) {
      for (const subject of subjectsOf(appId, room)) follow(appId, subject);
    },
    unfollow(appId, room) {
      for (const subject of subjectsOf(appId, room)) unfollow(subject);
    },
    subscribe: (listener) => void listeners.push(listener),
    state,
    async close() {
      isClosed = true;
      stopWaiting();
      // What was published last is sent before the end, if it can be.
      if (isUp) await Promise.race([connection?.flush().catch(() => undefined), pause(RECONNECT_MS)]);
      stopWaiting();
      await connection?.close();
    },
  };
}

/** Ids are words of NATS as they are; what is none goes in a form that no id has. */
const word = (id: string): string => (/^[\w-]+$/.test(id) ? id : `=${Buffer.from(id).toString("base64url")}`);
const prefixOf = (appId: string): string => `parley.${word(appId)}`;
const logSubject = (appId: string): string => `${prefixOf(appId)}.log`;
const roomSubject = (appId: string, room: string): string => `${prefixOf(appId)}.room.${word(idOf(room))}`;

function liveSubject({ appId, audiences }: TransientEvent): string {
  const [only = "", ...others] = audiences;
  return isRoomPlace(only) && others.length === 0 ? roomSubject(appId, only) : `${prefixOf(appId)}.live`;
}

function subjectsOf(appId: string, room: string | undefined): string[] {
  return room === undefined ? [logSubject(appId), `${prefixOf(appId)}.live`] : [roomSubject(appId, room)];
}

/** The app that a subject names. */
function appIn(subject: string | undefined): string | undefined {
  const named = subject?.split(".")[1];
  return named?.startsWith("=") ? Buffer.from(named.slice(1), "base64url").toString() : named;
}
