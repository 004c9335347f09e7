/** The seams of the server, types only: what has, or will have, two implementations. */

/** An event as the rules make it; its position is allotted by the committer. */
export interface NewEvent {
  kind: number;
  /** The encoded StreamEvent without its cursor. */
  payload: Uint8Array;
  /** Who it is for; see store/audience.ts. */
  audiences: readonly string[];
}

/** An event with its place in the app's log. */
export interface LogEvent extends NewEvent {
  pos: number;
}

/** What one transaction added to one app's log: dense, rising, never empty. */
export interface LogRange {
  appId: string;
  generationId: string;
  /** The position at which the generation begins. */
  generationFirstPos: number;
  events: readonly LogEvent[];
}

/** An event that is delivered at most once and never stored. */
export interface TransientEvent extends NewEvent {
  appId: string;
}

/** The state of an app's log: its head, its floor and the generations it is made of, oldest first. */
export interface LogState {
  head: number;
  floor: number;
  generations: readonly { generationId: string; firstPos: number }[];
}

/**
 * The wake-up between nodes. Ranges and transient events may be lost, repeated or reordered: the log is the truth.
 * A node hears its own publications too, before `publish` returns.
 */
export interface Bus {
  publish(range: LogRange): void;
  publishTransient(event: TransientEvent): void;
  subscribe(listener: BusListener): void;
}

/** What a node does with what it hears. It must not throw. */
export interface BusListener {
  range(range: LogRange): void;
  transient(event: TransientEvent): void;
}

/** What the rules may ask about who is here now. */
export interface Presence {
  of(appId: string, userId: string): { online: boolean; lastActiveMs: number | undefined };
  /** Whether a session has an open stream. */
  hasStream(appId: string, sessionId: string): boolean;
  /** Ends a session's stream and takes it offline without grace. */
  pause(appId: string, userId: string, sessionId: string): void;
}

/** What the rules may ask of the live end of the log. */
export interface Tail {
  /** Resolves when the app's log has passed a position, or the wait is over: by its time, its caller or a shutdown. Tells whether it has. */
  passed(appId: string, pos: number, waitMs: number, signal: AbortSignal): Promise<boolean>;
  /** The log as this node has delivered it. */
  state(appId: string): Promise<LogState>;
  /** Takes an acknowledgement: the client of a session is alive and, with a position above 0, has applied everything up to it. */
  acknowledge(appId: string, sessionId: string, pos: number): void;
}

/** What the port answers itself, since no procedure is there to do it. */
export type PortError =
  | "malformed"
  | "no_page"
  | "no_procedure"
  | "too_late"
  | "url_too_long"
  | "headers_too_large"
  | "internal";

/** Tells such an error as every other is told: in the protocol of the request, as far as there is one. */
export type PortErrors = (
  error: PortError,
  request: { "content-type"?: string | undefined; "x-request-id"?: string | string[] | undefined },
) => { status: number; headers: Readonly<Record<string, string>>; body: Uint8Array };
