/** What the server must refuse, by the reason of its ErrorDetail. */
export class Refused extends Error {
  readonly reason: string;

  constructor(reason: string) {
    super(reason);
    this.reason = reason;
  }
}

/** The settings of the app that runs differ in. */
export interface Rules {
  strangers: boolean;
  /** Whether those who have a device begin as friends: presence is of friends alone, and they are made rarely. */
  friends: boolean;
  mostMembers: number;
  eventsKeptMs: number;
  historyKeptMs: number;
  strangerHistoryKeptMs: number;
  /** How long a key is remembered, at least. */
  dedupMs: number;
  transientDedupMs: number;
  answeredMs: number;
}

export interface Logged {
  pos: number;
  atMs: number;
  /** `*`, `u:user`, `s:session`, `g:group`, `r:room`. */
  audiences: readonly string[];
  line: string;
  isMessage: boolean;
}

export interface Message {
  /** Known once an answer told it. */
  id: string;
  conversation: string;
  seq: number;
  pos: number;
  sender: string;
  receiver: string;
  key: string;
  words: string;
  atMs: number;
  replyTo: string;
  counting: boolean;
}

export interface Conversation {
  head: number;
  floor: number;
  /** The position of its newest message, which orders the list. */
  lastPos: number;
  lastMs: number;
  /** How far each of those whose list it is in has read. */
  read: Record<string, number>;
}

export interface Stay {
  user: string;
  from: number;
  /** Undefined: a member now. */
  to: number | undefined;
  role: number;
  alias: string;
  mutedUntilMs: number;
}

export interface Place {
  id: string;
  kind: "group" | "room";
  name: string;
  owner: string;
  policy: number;
  history: boolean;
  gone: boolean;
  stays: Stay[];
}

/** A place in the log as a cursor names it: a position, and the life of the server that wrote its generation. */
export interface LogPlace {
  pos: number;
  life: number;
}

export interface Send {
  sender: string;
  receiver: string;
  key: string;
  words: string;
  replyTo: string;
}
