import { randomUUID } from "node:crypto";
import http from "node:http";
import http2, { type ClientHttp2Session } from "node:http2";
import { setTimeout as delay } from "node:timers/promises";
import { fromBinary } from "@bufbuild/protobuf";
import { durationMs } from "@bufbuild/protobuf/wkt";
import { ErrorDetailSchema } from "@parley/proto/parley/v1/error_detail_pb.js";
import { GoodbyeReason } from "@parley/proto/parley/v1/message_service_pb.js";
import { reconnectWait } from "../../client/src/reconnect-policy.js";
import { type Address, backend } from "./clients.js";
import { messageOf, textOf } from "./messaging.js";
import {
  type Frame,
  frameReader,
  SUBSCRIBE_PATH,
  subscribeBody,
  subscribeHeaders,
  subscribeOver,
} from "./raw-stream.js";

/** One of many users, each with a stream, cheap enough for thousands in one process. */
export interface Member {
  readonly userId: string;
  readonly token: string;
  /** The cursor after the last event, as a client keeps it. */
  cursor: string;
  /** The texts of the messages it was told, in order, over all its streams. */
  readonly texts: string[];
  /** Told of each text as it comes. */
  onText: (text: string) => void;
  /** How often it was told that it missed something. */
  resyncs: number;
  /** Opens a stream from the cursor on. Resolves when it is caught up; rejects when it ended before. */
  open(): Promise<void>;
  /** Resolves when the stream that was opened last has ended, with how. */
  readonly ended: Promise<StreamEnd>;
}

/** How a stream ended, as far as its client was told. */
interface StreamEnd {
  goodbye: keyof typeof GoodbyeReason | undefined;
  /** When to come back, as a goodbye or a refusal said. */
  retryDelayMs: number | undefined;
}

/** Streams on one HTTP/2 connection; what a server allows is 100. */
const STREAMS_PER_CONNECTION = 50;
/** What the SDK begins its back-off with. */
const FIRST_WAIT_MS = 300;

export interface Crowd {
  readonly members: readonly Member[];
  /** Leaves with all. */
  close(): void;
}

/** Makes users with a session each. One in `h1Every` speaks HTTP/1.1 on a connection of its own, the others share connections of HTTP/2. */
export async function makeCrowd(server: Address, size: number, h1Every = 10): Promise<Crowd> {
  const { admin } = backend(server);
  const users = Array.from({ length: size }, () => ({ userId: `crowd-${randomUUID()}` }));
  for (let at = 0; at < size; at += 100) await admin.batchUpsertUsers({ users: users.slice(at, at + 100) });
  const tokens: string[] = [];
  for (let at = 0; at < size; at += 20) {
    const made = await Promise.all(users.slice(at, at + 20).map((user) => admin.createSession(user)));
    tokens.push(...made.map((session) => session.sessionToken));
  }
  const agent = new http.Agent();
  const pool = createPool(server.url);
  const members = users.map(({ userId }, at): Member => {
    const token = tokens[at] as string;
    const h1 = at % h1Every === h1Every - 1;
    const begin: Begin = h1
      ? (member) => overH1(server.url, agent, member)
      : (member) => subscribeOver(pool.session(Math.floor(at / STREAMS_PER_CONNECTION)), member, member.cursor);
    return createMember(userId, token, begin);
  });
  return {
    members,
    close() {
      agent.destroy();
      pool.close();
    },
  };
}

/** What a stream of either protocol is to its reader. */
interface Incoming {
  on(event: "data", listener: (chunk: Buffer) => void): unknown;
  once(event: "close", listener: () => void): unknown;
}

type Begin = (member: { token: string; cursor: string }) => Incoming | Promise<Incoming>;

function createMember(userId: string, token: string, begin: Begin): Member {
  let ended = Promise.resolve<StreamEnd>({ goodbye: undefined, retryDelayMs: undefined });
  const member: Member = {
    userId,
    token,
    cursor: "",
    texts: [],
    onText: () => undefined,
    resyncs: 0,
    open: () =>
      new Promise((resolve, reject) => {
        const end: StreamEnd = { goodbye: undefined, retryDelayMs: undefined };
        const run = async () => {
          const incoming = await begin(member);
          const over = new Promise<void>((done) => incoming.once("close", done));
          const take = (frame: Frame) => {
            takeFrame(member, end, frame);
            if (frame.case === "caughtUp") resolve();
          };
          const refused = (json: string) => {
            end.retryDelayMs ??= delayIn(json);
          };
          incoming.on("data", frameReader(take, refused));
          await over;
        };
        ended = run()
          .catch(() => undefined)
          .then(() => {
            reject(new Error("the stream ended before it was caught up"));
            return end;
          });
      }),
    get ended() {
      return ended;
    },
  };
  return member;
}

function takeFrame(member: Member, end: StreamEnd, frame: Frame): void {
  if (frame.case === "event") {
    const message = messageOf(frame.value);
    if (message !== undefined) {
      member.texts.push(textOf(message));
      member.onText(textOf(message));
    }
  }
  if (frame.case === "resyncRequired") member.resyncs += 1;
  if (frame.case === "goodbye") {
    end.goodbye = GoodbyeReason[frame.value.reason] as keyof typeof GoodbyeReason;
    end.retryDelayMs = frame.value.retryDelay && durationMs(frame.value.retryDelay);
  }
  const cursor = frame.value !== undefined && "cursor" in frame.value ? frame.value.cursor : "";
  // What `started` names is the client's own place, or where a new one starts.
  if (cursor !== "") member.cursor = cursor;
}

/** The time to wait that an error of Connect names. */
function delayIn(json: string): number | undefined {
  const { error } = JSON.parse(json) as { error?: { details?: { type: string; value: string }[] } };
  const detail = error?.details?.find(({ type }) => type === ErrorDetailSchema.typeName);
  if (detail === undefined) return undefined;
  const { retryDelay } = fromBinary(ErrorDetailSchema, Buffer.from(detail.value, "base64"));
  return retryDelay && durationMs(retryDelay);
}

function overH1(url: string, agent: http.Agent, member: { token: string; cursor: string }): Promise<Incoming> {
  return new Promise((resolve, reject) => {
    const request = http.request(`${url}${SUBSCRIBE_PATH}`, {
      method: "POST",
      agent,
      headers: subscribeHeaders(member),
    });
    request.on("error", reject);
    request.on("response", (response) => {
      response.on("error", () => undefined);
      resolve(response);
    });
    request.end(subscribeBody(member.cursor));
  });
}

/** Connections that are made anew when they are asked for and gone. */
function createPool(url: string) {
  const sessions = new Map<number, ClientHttp2Session>();
  return {
    session(at: number): ClientHttp2Session {
      let session = sessions.get(at);
      if (session === undefined || session.destroyed || session.closed) {
        session = http2.connect(url);
        session.on("error", () => undefined);
        session.setMaxListeners(0);
        sessions.set(at, session);
      }
      return session;
    },
    close() {
      for (const session of sessions.values()) session.destroy();
    },
  };
}

/** Opens the stream of each. */
export async function openAll({ members }: Crowd): Promise<void> {
  for (let at = 0; at < members.length; at += 100) await Promise.all(members.slice(at, at + 100).map(comeBack));
}

/** Comes back by the rule of the SDK, and gives each try: how long it took, and whether it was let in. */
export async function comeBack(member: Member): Promise<{ ms: number; ok: boolean }[]> {
  const tries: { ms: number; ok: boolean }[] = [];
  let retryDelayMs: number | undefined;
  for (let failures = 1; ; failures++) {
    await delay(reconnectWait(failures, FIRST_WAIT_MS, Math, retryDelayMs));
    const began = performance.now();
    const ok = await member.open().then(
      () => true,
      () => false,
    );
    tries.push({ ms: performance.now() - began, ok });
    if (ok) return tries;
    ({ retryDelayMs } = await member.ended);
  }
}
