/** Where a stream's ready-made frames go. */
export interface Sink {
  write(frames: Buffer): void;
  /** The bytes that were written and have not left this process. */
  queuedBytes(): number;
  /** Resolves when the queue is empty, or at once when the signal aborts; the caller bounds the wait. */
  drained(signal: AbortSignal): Promise<void>;
  /** Cuts the transport: the peer gets nothing more, not even a reason. */
  destroy(): void;
}

/** What the sink needs of a response of HTTP/1.1 or HTTP/2. */
export interface ResponseLike {
  write(chunk: Buffer): boolean;
  writableLength?: number;
  stream?: { writableLength: number } | undefined;
  once(event: "drain" | "close", listener: () => void): unknown;
  removeListener(event: "drain" | "close", listener: () => void): unknown;
  destroy(): unknown;
}

export function responseSink(response: ResponseLike): Sink {
  // The HTTP/2 response hides its queue; the stream below it tells.
  const queuedBytes = () => response.stream?.writableLength ?? response.writableLength ?? 0;
  return {
    write: (frames) => void response.write(frames),
    queuedBytes,
    drained: (signal) =>
      new Promise((resolve) => {
        if (queuedBytes() === 0 || signal.aborted) return resolve();
        const done = () => {
          response.removeListener("drain", done);
          response.removeListener("close", done);
          signal.removeEventListener("abort", done);
          resolve();
        };
        response.once("drain", done);
        response.once("close", done);
        signal.addEventListener("abort", done, { once: true });
      }),
    destroy: () => void response.destroy(),
  };
}
