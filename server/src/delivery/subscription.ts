import { GoodbyeReason, ResyncReason } from "@parley/proto/parley/v1/message_service_pb.js";
import { EventKind } from "@parley/proto/parley/v1/stream_event_pb.js";
import type { Clock } from "../ops/clock.js";
import { type Codec, controlFrame, type EncodedEvent } from "./frames.js";
import type { Sink } from "./sink.js";

/**
 * One open stream. Two states, one mechanism:
 *
 *              finds itself at the watermark, in the same tick
 *   reading ───────────────────────────────────────────────────▶ live
 *      ▲      reads the log at its own position, in chunks         │ fed by the hub, one write for each commit
 *      └───────────────────────────────────────────────────────────┘
 *              the consumer does not drain
 *
 * What comes for it while it reads is kept for its last step, so that it need not run after the watermark, but only in what room there is: a slow
 * consumer costs a position, not memory.
 */
export interface Subscription {
  readonly userId: string;
  readonly sessionId: string;
  /** Starts reading. Resolves when the stream is over, whatever ends it. */
  run(signal: AbortSignal): Promise<Ending>;
  /** Hands over a durable event. */
  push(event: EncodedEvent): void;
  /** Hands over a transient event; dropped when the consumer is slow. */
  pushTransient(event: EncodedEvent): void;
  /** Writes what was pushed; `from` is the watermark before the first of it. */
  flush(from: number): void;
  /** Writes a sign of life when nothing was written for a heartbeat. */
  beat(nowMs: number): void;
  /** Ends the stream; the first reason counts. `skipRest` drops what was not yet written. */
  end(ending: Ending): void;
  readonly isLive: boolean;
  queuedBytes(): number;
}

export interface Ending {
  /** Undefined: the client has left or was cut, so there is nobody to tell. */
  reason: GoodbyeReason | undefined;
  reconnect: boolean;
  retryDelayMs?: number;
}

export interface SubscriptionOptions {
  userId: string;
  sessionId: string;
  codec: Codec;
  /** The kinds to deliver; empty: all. Those in `always` come in any case. */
  kinds: ReadonlySet<number>;
  always: ReadonlySet<number>;
  /** The position everything up to which the client has. */
  pos: number;
  sink: Sink;
  clock: Clock;
  heartbeatMs: number;
  writeStallMs: number;
  /** What may wait in memory for the consumer, but for a single event that is larger. */
  queueBytes: number;
  watermark(): number;
  cursorAt(pos: number): string;
  /** Visible events after a position, bounded; `upTo` is what they are complete to; "expired" when the log no longer reaches back that far. */
  read(from: number, to: number): Promise<{ events: readonly EncodedEvent[]; upTo: number } | "expired">;
  /** Runs before the first read. */
  prelude(): Promise<void>;
  /** The friends that are online now, as the events that tell of them. */
  onlineFriends(): Promise<readonly EncodedEvent[]>;
  onFellBehind(): void;
  onError(error: unknown): void;
}

export function createSubscription(options: SubscriptionOptions): Subscription {
  const { sink, codec, clock, queueBytes } = options;
  // Half of the queue is for durable events as they come: what is read, and what may be lost, has to find the rest in the other half.
  const halfBytes = queueBytes / 2;
  const over = new AbortController();
  let { pos } = options;
  let live = false;
  let caughtUp = false;
  /** Whether the friends that are online were named after every change of friendship that was read. */
  let named = false;
  let pending: Buffer[] = [];
  let pendingBytes = 0;
  /** All that came while reading since the watermark was at `from`; undefined when some of it had no room and has to be read. */
  let kept: { from: number; frames: { pos: number; frame: Buffer }[]; bytes: number } | undefined;
  /** An event had no room: those from it on are read from the log. */
  let fellBehind = false;
  let lastWriteMs = clock.mono();
  let finish: (ending: Ending) => void = () => undefined;
  const ended = new Promise<Ending>((resolve) => {
    finish = (ending) => {
      if (over.signal.aborted) return;
      over.abort();
      if (ending.reason !== undefined) cutWhenStalled();
      live = false;
      pending = [];
      kept = undefined;
      resolve(ending);
    };
  });

  /** Connect waits for the peer to take its last frame; one that takes nothing would hold the stream for ever. */
  const cutWhenStalled = () => {
    if (sink.queuedBytes() === 0) return;
    clock.setTimer(() => {
      if (sink.queuedBytes() > 0) sink.destroy();
    }, options.writeStallMs);
  };

  const wanted = (event: EncodedEvent) =>
    options.kinds.size === 0 || options.kinds.has(event.kind) || options.always.has(event.kind);

  const write = (frames: Buffer[]) => {
    if (frames.length === 0 || over.signal.aborted) return;
    sink.write(frames.length === 1 ? (frames[0] as Buffer) : Buffer.concat(frames));
    lastWriteMs = clock.mono();
  };

  const waitForRoom = async () => {
    let queued = sink.queuedBytes();
    if (queued <= halfBytes) return;
    const look = () => {
      const left = sink.queuedBytes();
      if (left >= queued) return finish({ reason: GoodbyeReason.SLOW_CONSUMER, reconnect: true });
      // Slow, but it takes what it is given.
      queued = left;
      stall = clock.setTimer(look, options.writeStallMs);
    };
    let stall = clock.setTimer(look, options.writeStallMs);
    await sink.drained(over.signal);
    stall.cancel();
  };

  const catchUp = async () => {
    try {
      if (!caughtUp) await options.prelude();
      await readToWatermark();
    } catch (error) {
      options.onError(error);
      finish({ reason: GoodbyeReason.INTERNAL, reconnect: true });
    }
  };

  /** Who was lost as a friend and won back is forgotten with the loss, which may be older than what was told of its presence. */
  const nameAgainAfter = (event: EncodedEvent) => {
    if (event.kind === EventKind.FRIEND_CHANGED) named = false;
  };

  const tell = (events: readonly EncodedEvent[]) => {
    write(events.filter(wanted).map((event) => event.frame(codec)));
    events.forEach(nameAgainAfter);
  };

  /** What waits in memory for the consumer. */
  const waitingBytes = () => sink.queuedBytes() + (kept?.bytes ?? 0);

  const keep = (event: EncodedEvent) => {
    nameAgainAfter(event);
    if (kept === undefined || !wanted(event)) return;
    const frame = event.frame(codec);
    if (waitingBytes() + frame.length > halfBytes) {
      kept = undefined;
      return;
    }
    kept.frames.push({ pos: event.pos, frame });
    kept.bytes += frame.length;
  };

  /** Goes on to the watermark by what was kept, once all before that is read. */
  const takeKept = () => {
    if (kept === undefined || kept.from > pos) return;
    write(kept.frames.filter((one) => one.pos > pos).map(({ frame }) => frame));
    pos = Math.max(pos, options.watermark());
    kept = undefined;
  };

  const readToWatermark = async () => {
    while (!over.signal.aborted) {
      takeKept();
      const to = options.watermark();
      kept ??= { from: to, frames: [], bytes: 0 };
      if (pos >= to && named) {
        if (!caughtUp) {
          caughtUp = true;
          write([controlFrame(codec, { case: "caughtUp", value: { cursor: options.cursorAt(pos) } })]);
        }
        // No await stands between the test above and this: nothing can slip between.
        live = true;
        kept = undefined;
        return;
      }
      // First the room, then the reading: who does not read holds no chunk.
      await waitForRoom();
      if (over.signal.aborted) return;
      if (pos >= to) {
        named = true;
        tell(await options.onlineFriends());
        continue;
      }
      const chunk = await options.read(pos, to);
      if (chunk === "expired") {
        write([controlFrame(codec, { case: "resyncRequired", value: { reason: ResyncReason.EXPIRED } })]);
        pos = options.watermark();
        // Changes of friendship may be among what it misses.
        named = false;
        continue;
      }
      tell(chunk.events);
      pos = chunk.upTo;
    }
  };

  return {
    userId: options.userId,
    sessionId: options.sessionId,
    async run(signal) {
      // Clean-up hangs on the signal alone: Connect never finishes the generator of a stalled stream whose client left.
      const left = () => finish({ reason: undefined, reconnect: false });
      if (signal.aborted) left();
      signal.addEventListener("abort", left, { once: true });
      void catchUp();
      return await ended;
    },
    push(event) {
      if (!live) return keep(event);
      if (!wanted(event)) return;
      const frame = event.frame(codec);
      const waiting = pendingBytes + sink.queuedBytes();
      if (waiting > 0 && waiting + frame.length > queueBytes) {
        live = false;
        fellBehind = true;
        return;
      }
      pending.push(frame);
      pendingBytes += frame.length;
      pos = event.pos;
    },
    pushTransient(event) {
      if (over.signal.aborted || !wanted(event) || waitingBytes() > halfBytes) return;
      write([event.frame(codec)]);
    },
    flush(from) {
      const frames = pending;
      pending = [];
      pendingBytes = 0;
      write(frames);
      if (live) pos = options.watermark();
      if (!fellBehind) return;
      fellBehind = false;
      // All before this round was delivered, though a quiet stream's own position may be far back.
      pos = Math.max(pos, from);
      options.onFellBehind();
      void catchUp();
    },
    beat(nowMs) {
      if (over.signal.aborted || nowMs - lastWriteMs < options.heartbeatMs) return;
      const cursor = options.cursorAt(live ? options.watermark() : pos);
      if (sink.queuedBytes() <= queueBytes) write([controlFrame(codec, { case: "heartbeat", value: { cursor } })]);
    },
    end: (ending) => finish(ending),
    get isLive() {
      return live;
    },
    queuedBytes: waitingBytes,
  };
}
