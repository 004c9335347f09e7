import { durationMs } from "@bufbuild/protobuf/wkt";
import type { Client } from "@connectrpc/connect";
import type {
  Goodbye,
  MessageService,
  PresenceMode,
  ResyncReason,
  SubscribeResponse,
} from "@parley/proto/parley/v1/message_service_pb.js";
import { GoodbyeReason, ResyncReason as Resync } from "@parley/proto/parley/v1/message_service_pb.js";
import type { EventKind, StreamEvent } from "@parley/proto/parley/v1/stream_event_pb.js";
import { type Acknowledger, createAcknowledger } from "./acknowledger.js";
import type { Clock } from "./clock.js";
import { ParleyError, rejectsSession, toParleyError } from "./errors.js";
import { reconnectWait, steadyAfterMs } from "./reconnect-policy.js";
import { createStreamPosition, type StreamPosition } from "./stream-position.js";
import {
  type StreamEvent as Happening,
  initialState,
  type StreamEffect,
  type StreamState,
  transition,
} from "./stream-state.js";
import { createWatchdog, silentIntervals, type Watchdog } from "./watchdog.js";

/** The time in which the first frame must come, in milliseconds. */
const openWithinMs = 10_000;

/** What the loop needs from outside. */
export interface StreamPorts {
  readonly message: Client<typeof MessageService>;
  readonly clock: Clock;
  /** The bound of the first real wait before a reconnect, in milliseconds. */
  readonly waitMs: number;
  /** The attempts in a row that may follow a loss. */
  readonly attempts: number;
  readonly presence: PresenceMode;
  /** The kinds of events to deliver; empty: all. */
  readonly kinds: readonly EventKind[];
  /** Resolves when the application has applied the event; never rejects. */
  readonly onEvent: (event: StreamEvent) => Promise<void>;
  /** Resolves when the application has dealt with the gap; never rejects. */
  readonly onResync: (reason: ResyncReason) => Promise<void>;
  /**
   * The server takes sends, and knows everything up to the cursor, or has lost what this reason says. It is told when the frame comes and not
   * in its turn: the application may be busy with an event until a send of its own is stored.
   */
  readonly onReady: (lost?: ResyncReason) => void;
  /** A stream is open: the friends that are online are named until `onCaughtUp`. */
  readonly onStarted: () => void;
  readonly onCaughtUp: () => Promise<void>;
  readonly onState: (state: StreamState) => void;
  /** The stream was lost or refused, for this reason. */
  readonly onDisconnected: (error: ParleyError) => void;
  /** Something failed that does not stop the stream. */
  readonly onError: (error: unknown) => void;
}

/** The one stream of a client. */
export interface StreamLoop {
  readonly state: StreamState;
  /**
   * Seeks a stream for a session of `owner`, from `cursor` on; `save` keeps the cursors that follow. After a rejected session the same owner
   * goes on from where it was, with an event that is still being applied.
   */
  start(owner: string, cursor: string, save: (cursor: string) => void | Promise<void>): void;
  /** Tells the machine something that carries no attempt. */
  tell(event: Extract<Happening, { type: "pause" | "resume" | "connect" | "waited" | "rejected" }>): void;
  /** Tells the server what was applied and that the session is offline now; a stream opened later waits for it. Never rejects. */
  announcePause(): Promise<void>;
  /** Resolves when the application is done with what it was handed. */
  idle(): Promise<void>;
  /** Gives the stream up: `stop` for logout, `shut_down` for good. Resolves when the last cursor is saved. */
  end(how: "stop" | "shut_down"): Promise<void>;
}

/** One try to hold a stream. */
interface Attempt {
  readonly number: number;
  readonly controller: AbortController;
  readonly watchdog: Watchdog;
  cancelSteady: () => void;
}

export function createStreamLoop(ports: StreamPorts): StreamLoop {
  const { message, clock } = ports;
  let state = initialState(ports.attempts);
  let owner = "";
  let position: StreamPosition | undefined;
  let acknowledger: Acknowledger | undefined;
  let attempt: Attempt | undefined;
  let cancelWait = () => {};
  let pausing: Promise<void> | undefined;
  /** The application gets one frame at a time, whichever attempt it came by. */
  let applying: Promise<void> = Promise.resolve();

  /** Moves the machine and carries out what follows from it. Tells whether a frame is to be applied. */
  function happen(event: Happening): boolean {
    const before = state;
    const step = transition(state, event);
    state = step.state;
    const apply = step.effects.map(carryOut).includes(true);
    if (nameOf(state) !== nameOf(before)) ports.onState(state);
    return apply;
  }

  function carryOut(effect: StreamEffect): boolean {
    switch (effect.type) {
      case "open":
        void run(begin(effect.attempt));
        return false;
      case "abort":
        giveUp();
        return false;
      case "wait":
        cancelWait = clock.setTimer(reconnectWait(effect.failures, ports.waitMs, clock, effect.retryDelayMs), () =>
          happen({ type: "waited" }),
        );
        return false;
      case "cancel_wait":
        cancelWait();
        return false;
      case "watch_steady":
        watchSteady(effect.attempt);
        return false;
      case "apply":
        return true;
    }
  }

  /** The server learns it sooner or later anyway, by the end of the stream; so a failure changes little. */
  async function pauseSession(): Promise<void> {
    await acknowledger?.flush();
    await message.pauseSession({}).catch(() => {});
  }

  /** Runs `task` when the application is done with what came before. */
  function inOrder(task: () => Promise<void> | void): Promise<void> {
    const done = applying.then(task);
    applying = done.catch(ports.onError);
    return done;
  }

  function begin(number: number): Attempt {
    const silent = () => lose(number, new ParleyError("UNREACHABLE", "the stream fell silent", { retryable: true }));
    const watchdog = createWatchdog(clock, openWithinMs / silentIntervals, silent);
    attempt = { number, controller: new AbortController(), watchdog, cancelSteady: () => {} };
    return attempt;
  }

  function giveUp(): void {
    acknowledger?.stop();
    attempt?.watchdog.stop();
    attempt?.cancelSteady();
    attempt?.controller.abort();
    attempt = undefined;
  }

  function watchSteady(number: number): void {
    if (attempt)
      attempt.cancelSteady = clock.setTimer(steadyAfterMs, () => happen({ type: "steady", attempt: number }));
  }

  /** Reads one stream to its end. Nothing of it counts any more once its signal is aborted. */
  async function run(own: Attempt): Promise<void> {
    const { signal } = own.controller;
    try {
      await pausing;
      if (signal.aborted || !position) return;
      const request = { cursor: position.cursor, presence: ports.presence, kinds: [...ports.kinds] };
      for await (const response of message.subscribe(request, { signal, timeoutMs: 0 })) {
        if (signal.aborted) return;
        await receive(own, response, position);
        if (signal.aborted) return;
      }
      lose(own.number, new ParleyError("UNREACHABLE", "the stream ended without a farewell", { retryable: true }));
    } catch (thrown) {
      if (!signal.aborted) await fail(own, toParleyError(thrown));
    }
  }

  async function receive(own: Attempt, { frame }: SubscribeResponse, place: StreamPosition): Promise<void> {
    if (frame.case === "goodbye") return farewell(own, frame.value);
    if (!happen({ type: "frame", attempt: own.number, frame: frameKind(frame.case) })) return;
    if (frame.case === "started" && frame.value.resumed) ports.onReady();
    if (frame.case === "resyncRequired") ports.onReady(frame.value.reason);
    own.watchdog.hold();
    const applied = inOrder(async () => {
      if (own.controller.signal.aborted) return;
      own.watchdog.hold();
      await applyFrame(own, frame, place);
      own.watchdog.heard();
    });
    // The frame after it may be the one that lets sends leave, and the application may be waiting for one.
    if (frame.case !== "started") await applied;
  }

  async function applyFrame(own: Attempt, frame: SubscribeResponse["frame"], place: StreamPosition): Promise<void> {
    switch (frame.case) {
      case "started":
        if (frame.value.heartbeatInterval) own.watchdog.heard(durationMs(frame.value.heartbeatInterval));
        // Asked from a cursor, the answer repeats it; by now the application may be one event ahead of that.
        if (place.cursor === "") place.advance(frame.value.cursor);
        acknowledger?.start();
        return ports.onStarted();
      case "event":
        if (frame.value.cursor !== "" && frame.value.cursor === place.cursor) return;
        await ports.onEvent(frame.value);
        return place.advance(frame.value.cursor);
      case "caughtUp":
        await ports.onCaughtUp();
        return place.advance(frame.value.cursor);
      case "heartbeat":
        return place.advance(frame.value.cursor);
      case "resyncRequired":
        return ports.onResync(frame.value.reason);
    }
  }

  /** The server ends the stream. A pause that it took late for this stream is none of ours: we would not be reading. */
  function farewell(own: Attempt, { reason, reconnect, retryDelay }: Goodbye): void {
    const error = new ParleyError("SERVER_BUSY", `the server ended the stream: ${GoodbyeReason[reason]}`, {
      retryable: reconnect,
      retryDelayMs: retryDelay && durationMs(retryDelay),
    });
    if (reason === GoodbyeReason.SESSION_REVOKED) happen({ type: "rejected" });
    else if (reconnect || reason === GoodbyeReason.PAUSED) lose(own.number, error);
    else refuse(own.number, reason === GoodbyeReason.REPLACED ? "replaced" : "refused", error);
  }

  async function fail(own: Attempt, error: ParleyError): Promise<void> {
    if (rejectsSession(error)) {
      happen({ type: "rejected" });
    } else if (error.code === "out_of_range") {
      position?.reset();
      const reason = error.reason === "CURSOR_EXPIRED" ? Resync.EXPIRED : Resync.INVALID;
      await inOrder(() => (own.controller.signal.aborted ? undefined : ports.onResync(reason)));
      lose(own.number, error);
    } else if (isFinal(error)) {
      refuse(own.number, "refused", error);
    } else {
      lose(own.number, error);
    }
  }

  function lose(number: number, error: ParleyError): void {
    if (attempt?.number !== number) return;
    const { retryDelayMs } = error;
    happen({ type: "lost", attempt: number, ...(retryDelayMs !== undefined && { retryDelayMs }) });
    ports.onDisconnected(error);
  }

  function refuse(number: number, reason: "replaced" | "refused", error: ParleyError): void {
    if (attempt?.number !== number) return;
    happen({ type: "refused", attempt: number, reason });
    ports.onDisconnected(error);
  }

  return {
    get state() {
      return state;
    },
    start(next, cursor, save) {
      if (!position || next !== owner) {
        position?.end();
        owner = next;
        const teller = createAcknowledger(clock, cursor, async (cursor) => void (await message.ackEvents({ cursor })));
        acknowledger = teller;
        position = createStreamPosition(cursor, save, teller.applied, ports.onError);
      }
      happen({ type: "start" });
    },
    tell: (event) => void happen(event),
    announcePause() {
      pausing ??= pauseSession().finally(() => {
        pausing = undefined;
      });
      return pausing;
    },
    idle: () => applying,
    async end(how) {
      const last = position;
      last?.end();
      position = undefined;
      happen({ type: how });
      await last?.settled();
    },
  };
}

/** Whether the server itself said that asking again is of no use. Proxies say many things; only a reason of the contract counts. */
function isFinal({ reason, retryable, code }: ParleyError): boolean {
  if (retryable || reason === "UNKNOWN" || reason === "UNREACHABLE") return false;
  return code === "permission_denied" || code === "unimplemented" || code === "invalid_argument";
}

/** What a listener of the state is told apart by. */
const nameOf = (state: StreamState): string => (state.name === "closed" ? state.reason : state.name);

function frameKind(name: SubscribeResponse["frame"]["case"]) {
  switch (name) {
    case "caughtUp":
      return "caught_up";
    case "resyncRequired":
      return "resync_required";
    case "started":
    case "event":
    case "heartbeat":
      return name;
    default:
      return "unknown";
  }
}
