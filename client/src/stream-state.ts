/**
 * The life of one client's event stream as a pure machine: no clock, no I/O, no imports. `stream-loop.ts` carries its effects out.
 *
 *                start                started              caught_up
 *   stopped ──────────────▶ connecting ──────▶ replaying ──────────▶ live
 *      ▲                      ▲    │               │                  │
 *      │ stop (from anywhere) │    └───────────────┴───────┬──────────┘
 *                     waited, │                            │ lost (a try is left)
 *                     connect │◀──────── waiting ◀─────────┤
 *                             │                            │ lost (none left), refused, rejected
 *                             │ connect (unless rejected)  ▼
 *                             └───────────────────────── closed(reason)
 *
 *   pause: connecting, replaying, live, waiting ──▶ paused(inner), the state it was in.   resume: paused ──▶ connecting.
 *   shut_down: every state ──▶ closed(shut_down), for ever.
 *
 * Every attempt to open the stream has its own number; whatever carries another number is dropped. `../SPEC.md` holds the whole table.
 */

/** Why a stream does not come back by itself. */
export type CloseReason =
  /** The session was logged out elsewhere, revoked or has expired. Only a new login helps. */
  | "session_rejected"
  /** A newer stream of the same session took over, as in a second tab. `connect` takes it back. */
  | "replaced"
  /** The server does not want this stream. `connect` asks again. */
  | "refused"
  /** The allowed attempts are used up. `connect` starts over. */
  | "gave_up"
  /** The client was closed for good. */
  | "shut_down";

/** A state in which the client holds or seeks a stream. */
type ActiveName = "connecting" | "replaying" | "live" | "waiting";

interface Common {
  /** The number of the latest attempt; 0 before the first. It never goes back. */
  readonly attempt: number;
  /** The losses since the stream was last steady: the exponent of the back-off. */
  readonly failures: number;
  /** The losses in a row since the server last answered: what `limit` bounds. */
  readonly tries: number;
  /** The number of attempts in a row that may follow a loss; Infinity: no bound. */
  readonly limit: number;
  /** Whether anything holds the stream back: the application, a hidden page, a missing network. */
  readonly held: boolean;
}

export type StreamState = Common &
  (
    | { readonly name: "stopped" }
    | { [N in ActiveName]: { readonly name: N } }[ActiveName]
    | { readonly name: "paused"; readonly inner: ActiveName }
    | { readonly name: "closed"; readonly reason: CloseReason }
  );

export type StateName = StreamState["name"];

/** The kinds of frames that go on with the stream. The server's farewell is the event `lost` or `refused`. */
type FrameKind = "started" | "event" | "caught_up" | "heartbeat" | "resync_required" | "unknown";

export type StreamEvent =
  /** A session exists: seek a stream. */
  | { readonly type: "start" }
  /** The session is given up: logout. */
  | { readonly type: "stop" }
  /** The client is closed for good. */
  | { readonly type: "shut_down" }
  /** The first reason to hold the stream back came up. */
  | { readonly type: "pause" }
  /** The last such reason is gone. */
  | { readonly type: "resume" }
  /** The application asks for a stream now. */
  | { readonly type: "connect" }
  /** The wait is over, or news of the network makes it pointless. */
  | { readonly type: "waited" }
  /** A frame came. */
  | { readonly type: "frame"; readonly attempt: number; readonly frame: FrameKind }
  /** The stream ended, broke or fell silent. */
  | { readonly type: "lost"; readonly attempt: number; readonly retryDelayMs?: number }
  /** The server ended the stream and does not want it back. */
  | { readonly type: "refused"; readonly attempt: number; readonly reason: "replaced" | "refused" }
  /** The server does not accept the session any more; any call may find out. */
  | { readonly type: "rejected" }
  /** The stream has been live for a good while. */
  | { readonly type: "steady"; readonly attempt: number };

type EventType = StreamEvent["type"];

export type StreamEffect =
  /** Open the stream and tag all that comes of it with this number. */
  | { readonly type: "open"; readonly attempt: number }
  /** Give up this attempt; nothing more of it is wanted. */
  | { readonly type: "abort"; readonly attempt: number }
  /** Report `waited` after the back-off for so many failures, or after the server's own delay. */
  | { readonly type: "wait"; readonly failures: number; readonly retryDelayMs?: number }
  | { readonly type: "cancel_wait" }
  /** Hand the frame on. */
  | { readonly type: "apply" }
  /** Report `steady` with this number once the stream has stayed live for a good while. */
  | { readonly type: "watch_steady"; readonly attempt: number };

export interface Step {
  readonly state: StreamState;
  readonly effects: readonly StreamEffect[];
}

type In<N extends StateName> = Extract<StreamState, { name: N }>;
type Of<T extends EventType> = Extract<StreamEvent, { type: T }>;
type Cell<N extends StateName, T extends EventType> = (state: In<N>, event: Of<T>) => Step;
type Table = { readonly [N in StateName]: { readonly [T in EventType]: Cell<N, T> } };

const stay = (state: StreamState): Step => ({ state, effects: [] });
const hold = (state: StreamState): Step => stay({ ...state, held: true });
const release = (state: StreamState): Step => stay({ ...state, held: false });

/** The fields every state has, without those of one state. */
function common({ attempt, failures, tries, limit, held }: StreamState): Common {
  return { attempt, failures, tries, limit, held };
}

/** The effect that ends what an active state has under way. */
function leave(state: StreamState): readonly StreamEffect[] {
  switch (state.name) {
    case "connecting":
    case "replaying":
    case "live":
      return [{ type: "abort", attempt: state.attempt }];
    case "waiting":
      return [{ type: "cancel_wait" }];
    default:
      return [];
  }
}

function open(state: StreamState): Step {
  const attempt = state.attempt + 1;
  return {
    state: { ...common(state), attempt, name: "connecting" },
    effects: [...leave(state), { type: "open", attempt }],
  };
}

/** A stream is wanted from scratch: at once, or as soon as nothing holds it back. */
function seek(state: StreamState): Step {
  const fresh: StreamState = { ...common(state), failures: 0, tries: 0, name: "stopped" };
  return state.held ? stay({ ...common(fresh), name: "paused", inner: "connecting" }) : open(fresh);
}

function stop(state: StreamState): Step {
  return { state: { ...common(state), failures: 0, tries: 0, name: "stopped" }, effects: leave(state) };
}

function close(state: StreamState, reason: CloseReason): Step {
  return { state: { ...common(state), name: "closed", reason }, effects: leave(state) };
}

const shutDown = (state: StreamState): Step => close(state, "shut_down");
const reject = (state: StreamState): Step => close(state, "session_rejected");

function pause(state: In<ActiveName>): Step {
  return { state: { ...common(state), held: true, name: "paused", inner: state.name }, effects: leave(state) };
}

function lose(state: In<ActiveName>, event: Of<"lost">): Step {
  if (event.attempt !== state.attempt) return stay(state);
  const failures = state.failures + 1;
  const tries = state.tries + 1;
  if (tries > state.limit) return close({ ...state, failures, tries }, "gave_up");
  const delay = event.retryDelayMs === undefined ? {} : { retryDelayMs: event.retryDelayMs };
  return {
    state: { ...common(state), failures, tries, name: "waiting" },
    effects: [...leave(state), { type: "wait", failures, ...delay }],
  };
}

function refuse(state: In<ActiveName>, event: Of<"refused">): Step {
  return event.attempt === state.attempt ? close(state, event.reason) : stay(state);
}

function steady(state: In<"live">, event: Of<"steady">): Step {
  return stay(event.attempt === state.attempt ? { ...state, failures: 0 } : state);
}

/** Before `started` nothing else counts. */
function firstFrame(state: In<"connecting">, event: Of<"frame">): Step {
  if (event.attempt !== state.attempt || event.frame !== "started") return stay(state);
  return { state: { ...common(state), tries: 0, name: "replaying" }, effects: [{ type: "apply" }] };
}

function replayFrame(state: In<"replaying">, event: Of<"frame">): Step {
  if (event.attempt !== state.attempt) return stay(state);
  if (event.frame !== "caught_up") return { state, effects: [{ type: "apply" }] };
  const { attempt } = state;
  return { state: { ...common(state), name: "live" }, effects: [{ type: "apply" }, { type: "watch_steady", attempt }] };
}

function liveFrame(state: In<"live">, event: Of<"frame">): Step {
  return event.attempt === state.attempt ? { state, effects: [{ type: "apply" }] } : stay(state);
}

const active = {
  start: stay,
  stop,
  shut_down: shutDown,
  pause,
  resume: stay,
  lost: lose,
  refused: refuse,
  rejected: reject,
};
const idle = {
  stop,
  shut_down: shutDown,
  pause: hold,
  resume: release,
  waited: stay,
  frame: stay,
  lost: stay,
  refused: stay,
  steady: stay,
};

const table: Table = {
  stopped: { ...idle, start: seek, connect: stay, rejected: stay },
  connecting: { ...active, connect: stay, waited: stay, frame: firstFrame, steady: stay },
  replaying: { ...active, connect: stay, waited: stay, frame: replayFrame, steady: stay },
  live: { ...active, connect: stay, waited: stay, frame: liveFrame, steady },
  waiting: { ...active, connect: open, waited: open, frame: stay, lost: stay, refused: stay, steady: stay },
  paused: {
    ...idle,
    start: stay,
    pause: stay,
    resume: (state) => open({ ...state, held: false }),
    connect: stay,
    rejected: reject,
  },
  closed: {
    ...idle,
    start: (state) => (state.reason === "shut_down" ? stay(state) : seek(state)),
    stop: (state) => (state.reason === "shut_down" ? stay(state) : stop(state)),
    shut_down: shutDown,
    connect: (state) =>
      state.reason === "shut_down" || state.reason === "session_rejected" ? stay(state) : seek(state),
    rejected: (state) => (state.reason === "shut_down" ? stay(state) : reject(state)),
  },
};

/** The state before anything happened. `limit`: see `Common`; 0 turns reconnecting off. */
export function initialState(limit: number): StreamState {
  return { name: "stopped", attempt: 0, failures: 0, tries: 0, limit, held: false };
}

/** The one place where a stream's state changes. Total: every event is legal in every state. */
export function transition(state: StreamState, event: StreamEvent): Step {
  // The table is total by its type; indexing by two unions at once is beyond what the compiler can follow.
  const cell = table[state.name][event.type] as (state: StreamState, event: StreamEvent) => Step;
  return cell(state, event);
}
