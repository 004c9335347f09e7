import type { ChatMessage } from "@parley/proto/parley/v1/chat_message_pb.js";
import type { MessageContent } from "@parley/proto/parley/v1/message_content_pb.js";
import type { SendMessageRequest } from "@parley/proto/parley/v1/message_service_pb.js";
import type { Peer } from "@parley/proto/parley/v1/peer_pb.js";
import type { ParleyError } from "./errors.js";

/** How far a send has come: on its way or waiting for the network; stored (in a room: delivered); given up. */
export type SendStatus = "sending" | "sent" | "failed";

/** A message that was handed over for sending. */
export interface OutgoingMessage {
  /** The deduplication key: the stored message carries the same one. */
  readonly clientMessageId: string;
  readonly receiver: Peer;
  readonly content: MessageContent;
  readonly status: SendStatus;
  /** Why the send failed; undefined otherwise. */
  readonly error: ParleyError | undefined;
  /** The message as stored, or a {@link ParleyError}. Nobody has to wait for it: a failure that nobody awaits disturbs nothing. */
  readonly stored: Promise<ChatMessage>;
  /** Calls `listener` at each later change of the status and returns the function that ends that. */
  on(event: "status", listener: (status: SendStatus) => void): () => void;
  /** Calls `listener` as the bytes of a file that is sent go up. */
  on(event: "progress", listener: (sentBytes: number, totalBytes: number) => void): () => void;
}

/** The outbox's side of a send. */
export interface PendingSend {
  readonly message: OutgoingMessage;
  readonly request: SendMessageRequest;
  /** The time at which the application sent it, in milliseconds since 1970. */
  readonly createdMs: number;
  succeed(stored: ChatMessage): void;
  fail(error: ParleyError): void;
  progress(sentBytes: number, totalBytes: number): void;
}

/** Makes a send that waits for its outcome. */
export function createPendingSend(request: SendMessageRequest, createdMs: number): PendingSend {
  if (!request.receiver || !request.content) throw new TypeError("a message needs a receiver and a content");
  const listeners = new Set<(status: SendStatus) => void>();
  const watchers = new Set<(sentBytes: number, totalBytes: number) => void>();
  const { promise, resolve, reject } = deferred<ChatMessage>();
  promise.catch(() => {});
  let status: SendStatus = "sending";
  let error: ParleyError | undefined;

  function become(next: SendStatus): void {
    status = next;
    for (const listener of listeners) queueMicrotask(() => listener(next));
  }

  const message: OutgoingMessage = {
    clientMessageId: request.clientMessageId,
    receiver: request.receiver,
    content: request.content,
    get status() {
      return status;
    },
    get error() {
      return error;
    },
    stored: promise,
    on(event: string, listener: (...facts: never[]) => void) {
      const heard = (event === "status" ? listeners : watchers) as Set<typeof listener>;
      heard.add(listener);
      return () => heard.delete(listener);
    },
  };

  return {
    message,
    request,
    createdMs,
    succeed(stored) {
      resolve(stored);
      become("sent");
    },
    progress(sentBytes, totalBytes) {
      for (const watcher of watchers) watcher(sentBytes, totalBytes);
    },
    fail(cause) {
      error = cause;
      reject(cause);
      become("failed");
    },
  };
}

/** A promise with its two ends. */
export function deferred<T>(): { promise: Promise<T>; resolve: (value: T) => void; reject: (error: unknown) => void } {
  let resolve: (value: T) => void = () => {};
  let reject: (error: unknown) => void = () => {};
  const promise = new Promise<T>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}
