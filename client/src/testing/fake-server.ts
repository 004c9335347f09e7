import { create } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, createRouterTransport } from "@connectrpc/connect";
import { AuthService, type LoginRequest } from "@parley/proto/parley/v1/auth_service_pb.js";
import { type ChatMessage, ChatMessageSchema } from "@parley/proto/parley/v1/chat_message_pb.js";
import { type ErrorDetail, ErrorDetailSchema, ErrorReason } from "@parley/proto/parley/v1/error_detail_pb.js";
import { type Installation, Platform as PlatformKind } from "@parley/proto/parley/v1/installation_pb.js";
import { InstallationService } from "@parley/proto/parley/v1/installation_service_pb.js";
import {
  type GoodbyeReason,
  MessageService,
  ResyncReason,
  type SendMessageRequest,
  type SendMessageResult,
  SendMessageResultSchema,
  type SubscribeResponse,
  SubscribeResponseSchema,
} from "@parley/proto/parley/v1/message_service_pb.js";
import { type StreamEvent, StreamEventSchema } from "@parley/proto/parley/v1/stream_event_pb.js";
import { memoryStore } from "../key-value-store.js";
import type { Platform } from "../platform.js";

/** The failure of a call, as the server tells it. */
export function refusal(
  reason: ErrorReason,
  code: Code,
  detail: Partial<Pick<ErrorDetail, "retryable" | "retryDelay" | "field">> = {},
) {
  const value = { reason, retryable: false, ...detail };
  return new ConnectError(ErrorReason[reason] ?? "of the future", code, undefined, [
    { desc: ErrorDetailSchema, value },
  ]);
}

/** What a frame holds. */
type Frame = SubscribeResponse["frame"];

/** One open Subscribe call. */
interface OpenStream {
  readonly token: string;
  readonly cursor: string;
  readonly frames: Frame[];
  wake: () => void;
  /** Set: the stream breaks with this error, or ends quietly. */
  end?: ConnectError | "quiet";
}

/** A server in memory, with one log, whose faults a test chooses. */
export function createFakeServer() {
  const log: StreamEvent[] = [];
  const streams = new Set<OpenStream>();
  const tokens = new Map<string, string>();
  const stored = new Map<string, ChatMessage>();
  const server = {
    log,
    streams,
    /** The session tokens that are good, with their users. */
    tokens,
    /** The messages that were stored, in order. */
    messages: [] as ChatMessage[],
    /** What was called, with what mattered. */
    calls: [] as string[],
    logins: [] as LoginRequest[],
    /** The installations that were registered, and the reports of opened pushes, in JSON. */
    installations: [] as Installation[],
    opened: [] as string[],
    /** The cursors that were asked for, by each Subscribe. */
    subscriptions: [] as string[],
    acks: [] as string[],
    /** The sizes of the SendMessages calls. */
    batches: [] as number[],
    /** The friends that are named between started and caught_up. */
    online: [] as string[],
    /** Set: Subscribe fails with what it returns. */
    subscribeFault: (): ConnectError | undefined => undefined,
    /** Set: a unary call fails with what it returns, before anything is done. */
    fault: (_call: string): ConnectError | undefined => undefined,
    /** Set: SendMessages works, and then its answer is lost. */
    loseAnswer: (): boolean => false,
    /** Set: one send fails so. */
    sendFault: (_request: SendMessageRequest): SendMessageResult["error"] => undefined,
    /** Set: cursors are not accepted. */
    forgetful: undefined as ResyncReason | undefined,
    /** Set: nothing is sent after started. */
    stuck: false,
    platform: undefined as unknown as Platform,
    append,
    talk,
    /** Sends a frame to every open stream. */
    frame(frame: Frame): void {
      for (const stream of streams) push(stream, frame);
    },
    /** Breaks every stream. */
    cut(error: ConnectError | "quiet" = new ConnectError("cut", Code.Unavailable)): void {
      for (const stream of streams) {
        stream.end = error;
        stream.wake();
      }
    },
    goodbye(reason: GoodbyeReason, reconnect: boolean, retryDelayMs?: number): void {
      const retryDelay = retryDelayMs === undefined ? {} : { retryDelay: durationFromMs(retryDelayMs) };
      server.frame({ case: "goodbye", value: { $typeName: "parley.v1.Goodbye", reason, reconnect, ...retryDelay } });
      server.cut("quiet");
    },
  };

  function push(stream: OpenStream, frame: Frame): void {
    stream.frames.push(frame);
    stream.wake();
  }

  /** Puts an event into the log and on every stream; a transient one on the streams alone. */
  function append(event: StreamEvent["event"], transient = false): StreamEvent {
    const cursor = transient ? "" : String(log.length + 1);
    const entry = create(StreamEventSchema, { cursor, event });
    if (!transient) log.push(entry);
    server.frame({ case: "event", value: entry });
    return entry;
  }

  /** A message comes to be, written by somebody to Jerry. */
  function talk(text: string, sender = "Tom"): StreamEvent {
    const message = create(ChatMessageSchema, {
      sender: { sender: { case: "userId", value: sender } },
      receiver: { peer: { case: "userId", value: "Jerry" } },
      content: { content: { case: "text", value: { text } } },
    });
    return append({ case: "messageCreated", value: { $typeName: "parley.v1.MessageCreated", message } });
  }

  function check(call: string, header: Headers): string {
    const token = (header.get("Authorization") ?? "").replace("Bearer ", "");
    server.calls.push(call);
    const fault = server.fault(call);
    if (fault) throw fault;
    if (!tokens.has(token)) throw refusal(ErrorReason.UNAUTHENTICATED, Code.Unauthenticated);
    return token;
  }

  function store(request: SendMessageRequest): SendMessageResult {
    const error = server.sendFault(request);
    if (error) return create(SendMessageResultSchema, { error });
    const known = stored.get(request.clientMessageId);
    if (known) return create(SendMessageResultSchema, { message: known, deduplicated: true });
    const { receiver, content, clientMessageId } = request;
    const message = create(ChatMessageSchema, {
      ...(receiver && { receiver }),
      ...(content && { content }),
      clientMessageId,
      messageId: `m${server.messages.length + 1}`,
    });
    stored.set(clientMessageId, message);
    server.messages.push(message);
    return create(SendMessageResultSchema, { message });
  }

  async function* subscribe(cursor: string, token: string, signal: AbortSignal): AsyncGenerator<SubscribeResponse> {
    const stream: OpenStream = { token, cursor, frames: [], wake: () => {} };
    streams.add(stream);
    signal.addEventListener("abort", () => {
      streams.delete(stream);
      stream.wake();
    });
    const head = String(log.length);
    const resumed = server.forgetful === undefined || cursor === "";
    const start = resumed && cursor !== "" ? cursor : head;
    const frame = (value: Frame) => create(SubscribeResponseSchema, { frame: value });
    yield frame({
      case: "started",
      value: {
        $typeName: "parley.v1.Started",
        sessionId: token,
        resumed,
        heartbeatInterval: durationFromMs(20_000),
        cursor: start,
      },
    });
    if (!server.stuck) {
      if (!resumed) {
        const reason = server.forgetful ?? ResyncReason.UNSPECIFIED;
        yield frame({ case: "resyncRequired", value: { $typeName: "parley.v1.ResyncRequired", reason } });
        server.forgetful = undefined;
      }
      const presence = [...server.online].map((userId) =>
        create(StreamEventSchema, { event: { case: "presenceChanged", value: { userId, online: true } } }),
      );
      stream.frames.unshift(
        ...[...log.slice(Number(start), Number(head)), ...presence].map((value): Frame => ({ case: "event", value })),
        { case: "caughtUp", value: { $typeName: "parley.v1.CaughtUp", cursor: head } },
      );
    }
    for (;;) {
      const next = stream.frames.shift();
      if (next) yield frame(next);
      else if (stream.end || signal.aborted) break;
      else {
        await new Promise<void>((resolve) => {
          stream.wake = resolve;
        });
      }
    }
    streams.delete(stream);
    if (stream.end && stream.end !== "quiet") throw stream.end;
  }

  server.platform = {
    kind: PlatformKind.SERVER,
    createStore: memoryStore,
    createTransport: (_baseUrl, interceptors) =>
      createRouterTransport(
        ({ service }) => {
          service(AuthService, {
            login(request) {
              server.calls.push("login");
              server.logins.push(request);
              const fault = server.fault("login");
              if (fault) throw fault;
              const userId = request.credential.case === "bareId" ? request.credential.value.userId : "somebody";
              const token = `token-${tokens.size + 1}-${userId}`;
              tokens.set(token, userId);
              return { userId, sessionId: `session-${token}`, sessionToken: token, created: true };
            },
            logout(_request, context) {
              const token = check("logout", context.requestHeader);
              tokens.delete(token);
              return {};
            },
            listSessions(_request, context) {
              const token = check("listSessions", context.requestHeader);
              const userId = tokens.get(token) ?? "";
              return { sessions: [{ sessionId: "other" }, { sessionId: `session-${token}`, userId, current: true }] };
            },
          });
          service(InstallationService, {
            registerInstallation({ installation }, context) {
              check("registerInstallation", context.requestHeader);
              if (installation) server.installations.push(installation);
              return installation ? { installation: { ...installation, pushToken: "" } } : {};
            },
            reportPushOpened({ push, installationId }, context) {
              check("reportPushOpened", context.requestHeader);
              server.opened.push(`${push.case}:${push.value} on ${installationId}`);
              return {};
            },
          });
          service(MessageService, {
            sendMessages({ requests }, context) {
              check("sendMessages", context.requestHeader);
              server.batches.push(requests.length);
              const results = requests.map(store);
              if (server.loseAnswer()) throw new ConnectError("lost", Code.Unavailable);
              return { results };
            },
            ackEvents({ cursor }, context) {
              check("ackEvents", context.requestHeader);
              server.acks.push(cursor);
              return {};
            },
            pauseSession(_request, context) {
              check("pauseSession", context.requestHeader);
              return {};
            },
            async *subscribe({ cursor }, context) {
              server.subscriptions.push(cursor);
              const fault = server.subscribeFault();
              if (fault) throw fault;
              yield* subscribe(cursor, check("subscribe", context.requestHeader), context.signal);
            },
          });
        },
        { transport: { interceptors } },
      ),
  };
  return server;
}

export type FakeServer = ReturnType<typeof createFakeServer>;
