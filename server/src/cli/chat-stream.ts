import { setTimeout as sleep } from "node:timers/promises";
import { durationMs } from "@bufbuild/protobuf/wkt";
import { type Client, Code, ConnectError } from "@connectrpc/connect";
import type { MessageService, SubscribeResponse } from "@parley/proto/parley/v1/message_service_pb.js";
import type { StreamEvent } from "@parley/proto/parley/v1/stream_event_pb.js";

export interface Following {
  signal: AbortSignal;
  onEvent(event: StreamEvent): void;
  /** Told what goes on with the connection. */
  onNotice(text: string): void;
}

/** 2.5 heartbeats: a quiet stream is a dead one. */
const QUIET_MS = 50_000;
const ACK_SOON_MS = 1000;
const ACK_IDLE_MS = 25_000;
const RETRY_MS = 300;
const RETRY_MOST_MS = 30_000;

type Messages = Client<typeof MessageService>;

/** Follows the events of a session and comes back by its cursor after every loss, until it is told to stop or the session has ended. */
export async function follow(messages: Messages, { signal, onEvent, onNotice }: Following): Promise<void> {
  let cursor = "";
  let failures = 0;
  while (!signal.aborted) {
    let delayMs: number | undefined;
    const attempt = new AbortController();
    const stop = AbortSignal.any([signal, attempt.signal]);
    const watchdog = setTimeout(() => attempt.abort(), QUIET_MS);
    const acks = startAcks(messages, stop);
    try {
      for await (const { frame } of messages.subscribe({ cursor }, { signal: stop, timeoutMs: 0 })) {
        watchdog.refresh();
        if (frame.case === "started") {
          if (failures > 0) onNotice("connected again");
          failures = 0;
        }
        if (frame.case === "resyncRequired") onNotice("some messages were missed; /history shows what is stored");
        if (frame.case === "event") onEvent(frame.value);
        if (frame.case === "goodbye") {
          if (!frame.value.reconnect) return;
          delayMs = frame.value.retryDelay && durationMs(frame.value.retryDelay);
          break;
        }
        cursor = cursorOf(frame) || cursor;
        acks.applied(cursor, frame.case === "event");
      }
    } catch (error) {
      if (signal.aborted) return;
      if (ConnectError.from(error).code === Code.Unauthenticated) throw error;
    } finally {
      clearTimeout(watchdog);
      acks.end();
      attempt.abort();
    }
    if (failures === 0) onNotice("the connection is lost; trying again");
    failures += 1;
    delayMs ??= Math.random() * Math.min(RETRY_MOST_MS, RETRY_MS * 2 ** failures);
    await sleep(delayMs, undefined, { signal }).catch(() => undefined);
  }
}

function cursorOf(frame: SubscribeResponse["frame"]): string {
  switch (frame.case) {
    case "started":
    case "event":
    case "caughtUp":
    case "heartbeat":
      return frame.value.cursor;
    default:
      return "";
  }
}

/** Tells the server how far events were applied: soon after one, and now and then as a sign of life. */
function startAcks(messages: Messages, signal: AbortSignal) {
  let cursor = "";
  let soon: NodeJS.Timeout | undefined;
  const send = () => {
    soon = undefined;
    // A lost one is made up for by the next.
    messages.ackEvents({ cursor }, { signal, timeoutMs: 10_000 }).catch(() => undefined);
  };
  const idle = setInterval(send, ACK_IDLE_MS);
  return {
    applied(to: string, isEvent: boolean) {
      cursor = to;
      if (isEvent) soon ??= setTimeout(send, ACK_SOON_MS);
    },
    end() {
      clearInterval(idle);
      clearTimeout(soon);
    },
  };
}
