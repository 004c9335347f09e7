/** The seams of the server, types only: what has, or will have, two implementations. */

/** An event as the rules make it; its position is allotted by the committer. */
export interface NewEvent {
  kind: number;
  /** The encoded StreamEvent without its cursor. */
  payload: Uint8Array;
  /** Who it is for; see store/audience.ts. */
  audiences: readonly string[];
  /** What is counted of the new message that it tells of. */
  facts?: MessageFacts | undefined;
}

/** What is counted of a message. */
export interface MessageFacts {
  atMs: number;
  /** The user who sent it, or empty for the system. */
  senderId: string;
  /** The kind of its content. */
  content: string;
  /** The bytes of the media it refers to. */
  mediaBytes: number;
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
  /** Of a message whose sender named it: how a repeat is known, on whatever node it is made. */
  sent?: SentTransient | undefined;
}

export interface SentTransient {
  /** The user who sent it, or empty for the system, and the name that it gave. */
  senderId: string;
  clientMessageId: string;
  /** The mark of all that was sent, in hex. */
  hash: string;
}

/** The state of an app's log: its head, its floor and the generations it is made of, oldest first. */
export interface LogState {
  head: number;
  floor: number;
  generations: readonly { generationId: string; firstPos: number }[];
}

/** That an app's log has grown, without its events: these positions are in the store for everyone to read. */
export interface Doorbell extends Omit<LogRange, "events"> {
  firstPos: number;
  lastPos: number;
}

/** What JSON can say. */
type Json = string | number | boolean | null | readonly Json[] | { readonly [name: string]: Json };

/** What nodes tell each other besides the log, such as that a cache is out of date. Each kind is a type alias with fields of its own. */
export type Signal = { readonly appId: string; readonly kind: string; readonly [field: string]: Json };

/** Whether a node hears the others. "alone": there are no others, so that nothing can be missed. */
export type BusState = "alone" | "up" | "down";

/**
 * The wake-up between nodes. Whatever is published may be lost, repeated or reordered on its way: the log is the truth, and what hears must be
 * right without the bus too, only later. Publishing never fails and never waits; while the bus is down it reaches this node alone.
 *
 * A node hears its own publications at once, before `publish` returns, in the order in which they are made and each exactly once, whatever it
 * follows and whether the bus is up. From others it hears the signals of every app, and ranges and transient events only as long as it follows
 * what they are of.
 */
export interface Bus {
  publish(range: LogRange): void;
  publishTransient(event: TransientEvent): void;
  publishSignal(signal: Signal): void;
  /** Hears an app from soon on or, of a room (see store/audience.ts), the transient events that are for that room alone. As often as it is called, it takes as many `unfollow`. */
  follow(appId: string, room?: string): void;
  unfollow(appId: string, room?: string): void;
  subscribe(listener: BusListener): void;
  state(): BusState;
  close(): Promise<void>;
}

/** What a node does with what it hears; `own` says that the node itself has published it. It must not throw. */
export interface BusListener {
  range?(range: LogRange, own: boolean): void;
  doorbell?(bell: Doorbell): void;
  /** What is counted of a message does not travel. */
  transient?(event: TransientEvent, own: boolean): void;
  signal?(signal: Signal, own: boolean): void;
  /** The bus came up, again too, or went down. What was published in between was missed. */
  state?(state: BusState): void;
}

/** What the rules may ask about who is here now. */
export interface Presence {
  /** How a user is seen that was read from the store just now. */
  of(user: SeenUser): { online: boolean; lastActiveMs: number | undefined };
  /** Those of these users who are online. */
  onlineAmong(
    appId: string,
    userIds: readonly string[],
  ): Promise<{ userId: string; lastActiveMs: number | undefined }[]>;
  /** The number of sessions of an app that have an open stream. */
  countSessions(appId: string): Promise<number>;
  /** The number of users of an app who are online. */
  countUsers(appId: string): Promise<number>;
  /** Shows a user as offline on all its streams from now on, or as they are again. */
  hide(appId: string, userId: string, hidden: boolean): Promise<void>;
  /** Whether a session that was read from the store just now has an open stream. */
  hasStream(session: SeenSession): boolean;
  /** How the client of a session stands on this node, visible or not. Answered from memory. */
  standing(appId: string, sessionId: string): Standing;
  /** How the clients of the sessions of these users stand, on whatever node. */
  standings(appId: string, userIds: readonly string[]): Promise<(sessionId: string) => Standing>;
  /** Ends a session's stream and takes it offline without grace. */
  pause(appId: string, userId: string, sessionId: string): Promise<void>;
  /** The number of open streams of a user. */
  streamsOf(appId: string, userId: string): Promise<number>;
  /** Ends all streams of a user by goodbye{DISCONNECTED}, takes it offline without grace, and gives their number. */
  disconnect(appId: string, userId: string): Promise<number>;
}

/** What the store knows of the presence of a user. */
interface SeenUser {
  app_id: string;
  user_id: string;
  online: number;
  invisible: number;
  last_active_ms: number | null;
}

/** What the store knows of the stream of a session: `open` is null where it is not kept there. */
interface SeenSession {
  app_id: string;
  session_id: string;
  open: number | null;
}

/** How the client of a session stands to the log. */
export interface Standing {
  /** The farthest position it has acknowledged of late; how far it had come before is stored. */
  ackedPos: number;
  client: /** A stream is open whose client does not acknowledge at all. */
    | "receiving"
    /** A stream is open, or was until less than the grace ago, and its client is not silent for too long. */
    | "awaited"
    /** Paused, long gone, or silent for too long. */
    | "away"
    /** Not seen yet since this server started, and the grace for those who come back is running. */
    | "unseen";
  /** Of a session on another node: how long ago that node was last heard of. */
  unheardMs?: number;
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

/** A code on its way to a phone. */
export interface SmsCode {
  appId: string;
  /** In E.164 form. */
  phoneNumber: string;
  /** Six digits. */
  code: string;
  /** A BCP 47 tag, or empty. */
  locale: string;
  /** What the phone should show. */
  text: string;
  expireMs: number;
  /** The same in a repeat of one send. */
  requestId: string;
}

/** The way to the phones. */
export interface SmsGateway {
  /** Hands over a code. Throws when it was not taken, or it is not known whether it was. */
  send(sms: SmsCode): Promise<void>;
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

/** The bytes of one attachment of one app. Both ids consist of A-Z a-z 0-9 _ - alone, so they can be parts of a file name. */
export interface BlobName {
  appId: string;
  attachmentId: string;
}

/** What there is of an attachment: the bytes that were sent, and a small picture of them. */
export type BlobPart = "original" | "thumbnail";

/**
 * Where the bytes of attachments are: in files, or in objects that many nodes share. What a call has answered is there after a loss of power too. A
 * store without room throws a StoreError "full", one that cannot be had just now "busy". An upload lies apart until it is claimed: what is claimed does not change
 * any more but by another claim.
 */
export interface BlobStore {
  /** Takes the bytes of an upload, `sizeBytes` of them, in the place of an earlier one. Of bytes that end by an error nothing is left. */
  receive(name: BlobName, bytes: AsyncIterable<Uint8Array>, sizeBytes: number): Promise<void>;
  /** Makes the upload, if there is one, the original, and gives the original's size; undefined when there is none. Repeatable. */
  claim(name: BlobName): Promise<number | undefined>;
  putThumbnail(name: BlobName, bytes: Uint8Array): Promise<void>;
  /** The bytes from `start` up to and without `end`; undefined when there are none. */
  read(name: BlobName, part: BlobPart, start: number, end: number): Promise<AsyncIterable<Uint8Array> | undefined>;
  /** The size of a part in bytes, or undefined. */
  size(name: BlobName, part: BlobPart): Promise<number | undefined>;
  /** Gives the original as a file while something works on it. */
  withFile<T>(name: BlobName, work: (path: string) => Promise<T>): Promise<T>;
  /** Removes all there is of an attachment. Repeatable. */
  remove(name: BlobName): Promise<void>;
  /** Removes what belongs to no attachment, asking for some ids of one app at a time, and gives the number of files. */
  sweep(known: (appId: string, attachmentIds: readonly string[]) => Promise<ReadonlySet<string>>): Promise<number>;
  /** The store's own addresses, when clients may go there; without them all bytes pass through this server. */
  readonly direct: DirectBlobs | undefined;
}

/** Addresses of a store itself. Each allows one thing, until it ends. */
export interface DirectBlobs {
  /** For a PUT of exactly so many bytes under exactly this type, as an upload that is not claimed. */
  putAddress(name: BlobName, upload: { sizeBytes: number; contentType: string; lifeMs: number }): Promise<string>;
  /** For a GET, which is answered with these headers. */
  getAddress(
    name: BlobName,
    part: BlobPart,
    answer: { contentType: string; disposition: string; lifeMs: number },
  ): Promise<string>;
}

/** An attachment's bytes as they leave by HTTP. */
export interface Download {
  sizeBytes: number;
  contentType: string;
  /** The content-disposition: that they are to be saved, and by which name. */
  disposition: string;
  /** Names these bytes for ever. */
  etag: string;
  /** The milliseconds for which the address is still good. */
  goodForMs: number;
  /** The bytes from `start` up to and without `end`. */
  read(start: number, end: number): Promise<AsyncIterable<Uint8Array>>;
}

/** What the port asks of the rules when bytes come or go by a signed address. */
export interface Transfers {
  /** Takes the body of a PUT to a target (path and query). `lengthBytes` is what its header says, if it says it. */
  receive(target: string, body: AsyncIterable<Uint8Array>, lengthBytes: number | undefined): Promise<void>;
  /** Opens what a target (path and query) is for. */
  open(target: string): Promise<Download>;
  /** Tells a failure as every other is told. */
  refusal(
    error: unknown,
    request: { "x-request-id"?: string | string[] | undefined },
  ): { status: number; headers: Readonly<Record<string, string>>; body: Uint8Array };
}

/** A push as one phone shows it, whoever delivers it. */
export interface Push {
  /** Names this push to the provider: a UUID made of the message and the installation, so that a repeat is seen to be one. */
  pushId: string;
  /** A later push of the same id takes the place of this one on the phone; at most 64 bytes. */
  collapseId: string;
  title: string;
  body: string;
  sound: string;
  /** The number on the app's icon. */
  badge: number;
  /** Wakes the app in the background. */
  contentAvailable: boolean;
  /** What groups pushes on the phone: the conversation. */
  threadId: string;
  /** What the app needs to open the right conversation, as JSON; see docs/push.md. */
  data: Readonly<Record<string, unknown>>;
  /** When it is of no use any more. */
  expireMs: number;
}

/** Where a push goes: the token of an installation, as it was registered. */
export interface PushTarget {
  /** A value of PushProvider. */
  provider: number;
  /** A value of PushEnvironment, never UNSPECIFIED. */
  environment: number;
  token: string;
}

/** What the provider said of a push, with the HTTP status of its answer if there was one. */
export type PushOutcome = { status?: number } & (
  | { kind: "sent" }
  /** The token is good no more, as of a time if the provider names one: one registered later stays. */
  | { kind: "dead_token"; reason: string; sinceMs?: number }
  /** Try again, not before the delay if there is one: the provider is busy, cannot be reached or did not answer. */
  | { kind: "later"; reason: string; delayMs?: number }
  /** This push can never be taken. */
  | { kind: "refused"; reason: string }
  /** The app's credential is refused or missing: no push of the app can be taken until it is changed. */
  | { kind: "no_credential"; reason: string }
);

/** The way out to the push providers, with the credentials of each app. It keeps no queue, and never tries again by itself. */
export interface PushSender {
  /** Whether the app can push at all. Answered from memory. */
  canPush(appId: string): boolean;
  /** Hands over one push; answers within the time-out whatever happens, and never throws. */
  send(appId: string, target: PushTarget, push: Push): Promise<PushOutcome>;
  close(): Promise<void>;
}

/** What the sender is told of the credentials it works with, in the tick of the commit. It must not throw. */
export interface PushCredentials {
  /** A credential was set: the next push uses it. */
  set(appId: string, key: { provider: number; environment: number }): void;
  remove(appId: string, key: { provider: number; environment: number }): void;
}

/** What the rules tell those who push. */
export interface Pushes {
  /** From this tick on nothing is handed over by what the store said of an installation before. Called after a commit that unbinds it or changes its token. */
  withdraw(appId: string, installationId: string): void;
  /** Resolves when what was being handed over for a withdrawn installation is over, or after a bounded wait. */
  settled(appId: string, installationId: string): Promise<void>;
  /** The app's credential was changed: what was put off because of the old one is tried at once. */
  credentialChanged(appId: string): void;
}

/** How a user stands to a message of the log, as the push decision asks it. */
export type Receipt =
  /** Some session of the user has acknowledged the position. */
  | "acknowledged"
  /** A stream is open whose client does not acknowledge at all: it counts as receiving. */
  | "receiving"
  /** A client is here, or was until a moment ago, and may yet acknowledge. */
  | "awaited"
  /** Nobody is here: paused, long gone, or silent for too long. */
  | "away";
