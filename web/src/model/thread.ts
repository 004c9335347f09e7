import { type ChatMessage, type OutgoingMessage, type Peer, peerKey } from "@parley/client";
import { timeMs } from "./time.js";

/** A line that nobody wrote and that the server does not keep, such as "Jerry joined". */
export interface Notice {
  readonly id: string;
  readonly timeMs: number;
  readonly text: string;
}

/** One conversation or room as the page knows it. */
export interface Thread {
  readonly key: string;
  readonly peer: Peer;
  /** In their order, without a gap. */
  readonly messages: ChatMessage[];
  readonly notices: Notice[];
  /** What this device sends and the server has not confirmed. */
  readonly outgoing: OutgoingMessage[];
  /** Who types, and until when. */
  readonly typing: Map<string, number>;
  /** `head`: only what came since the page was opened is here. */
  history: "head" | "loading" | "more" | "complete";
  /** Loading failed; the next stream tries again. */
  stuck: boolean;
  /** How far the stream or a list has told of it; what this device just sent may be ahead of that. */
  heardSeq: number;
  readSeq: number;
  unread: number;
  /** How far the other side of a one-to-one conversation has read, as far as this page has heard. */
  theirReadSeq: number;
  /** The newest message, also when `messages` was never loaded. */
  last: ChatMessage | undefined;
  /** Where the thread stands among others. */
  activeMs: number;
  /** The read marker when the thread was opened: what is new begins after it. */
  newAfterSeq: number | undefined;
  /** A read marker is on its way, or failed and waits for the next stream. */
  marking: boolean;
}

export function createThread(peer: Peer): Thread {
  return {
    key: peerKey(peer),
    peer,
    messages: [],
    notices: [],
    outgoing: [],
    typing: new Map(),
    history: isRoom({ peer }) ? "complete" : "head",
    stuck: false,
    heardSeq: 0,
    readSeq: 0,
    unread: 0,
    theirReadSeq: 0,
    last: undefined,
    activeMs: 0,
    newAfterSeq: undefined,
    marking: false,
  };
}

const messageLimit = 1000;
const noticeLimit = 200;

/** Lets go of what is oldest; what is stored can be loaded again. */
export function trim(thread: Thread): void {
  const { messages, notices } = thread;
  notices.splice(0, notices.length - noticeLimit);
  if (messages.length <= messageLimit) return;
  messages.splice(0, messages.length - messageLimit / 2);
  if (thread.history === "complete" && !isRoom(thread)) thread.history = "more";
}

/** A room has no history and no read marker: what was said is gone with the page. */
export function isRoom({ peer }: Pick<Thread, "peer">): boolean {
  return peer.peer.case === "roomId";
}

/** Seq decides where there is one; messages that are never stored stand at their time. */
function isBefore(a: ChatMessage, b: ChatMessage): boolean {
  if (a.seq > 0 && b.seq > 0) return a.seq < b.seq;
  return timeMs(a.createTime) < timeMs(b.createTime);
}

/** Puts a message in its place. One that is there already is brought up to date, never doubled. */
export function putMessage(thread: Thread, message: ChatMessage): void {
  const { messages } = thread;
  const known = messages.findLastIndex(({ messageId }) => messageId === message.messageId);
  if (known >= 0) {
    if (message.revision > (messages[known]?.revision ?? 0)) messages[known] = message;
  } else {
    const before = messages.findLastIndex((other) => !isBefore(message, other));
    messages.splice(before + 1, 0, message);
  }
  if (!thread.last || !isBefore(message, thread.last)) {
    thread.last = message;
    thread.activeMs = Math.max(thread.activeMs, timeMs(message.createTime));
  }
}

/** Forgets what may be out of date; it is loaded again when it is looked at. */
export function resetHistory(thread: Thread): void {
  if (isRoom(thread)) return;
  thread.messages.length = 0;
  thread.history = "head";
}
