import {
  type Client,
  type ClientState,
  type Friend,
  type Group,
  type ParleyError,
  type Peer,
  peerKey,
  type Room,
} from "@parley/client";
import { createSignal, type Signal } from "../signal.js";
import { createNames, type Names } from "./names.js";
import { createThread, type Thread } from "./thread.js";

/** All that the page knows of one logged-in user. The files of this folder change it; the views only read it. */
export interface Chat extends Signal {
  readonly client: Client;
  readonly me: string;
  readonly threads: Map<string, Thread>;
  /** The key of a thread by the id of its conversation. */
  readonly threadKeys: Map<string, string>;
  readonly friends: Map<string, Friend>;
  readonly groups: Map<string, Group>;
  readonly rooms: Map<string, Room>;
  readonly online: Set<string>;
  /** The users whose presence the stream told since the friends were last asked for: it knows better. */
  readonly presenceNews: Set<string>;
  readonly names: Names;
  /** The thread that is looked at. */
  open: Thread | undefined;
  state: ClientState;
  /** Why the stream was last lost. */
  lost: ParleyError | undefined;
  /** Whether it was the user who paused. */
  pausedByUser: boolean;
  /** Tells the user of a failure. */
  readonly fail: (error: unknown) => void;
}

export function createChat(client: Client, me: string, fail: (error: unknown) => void): Chat {
  const signal = createSignal();
  return {
    ...signal,
    client,
    me,
    threads: new Map(),
    threadKeys: new Map(),
    friends: new Map(),
    groups: new Map(),
    rooms: new Map(),
    online: new Set(),
    presenceNews: new Set(),
    names: createNames(client, signal.changed),
    open: undefined,
    state: client.state,
    lost: undefined,
    pausedByUser: false,
    fail,
  };
}

/** The thread with a peer, made when there is none. */
export function threadOf(chat: Chat, peer: Peer): Thread {
  const key = peerKey(peer);
  let thread = chat.threads.get(key);
  if (!thread) {
    thread = createThread(peer);
    chat.threads.set(key, thread);
  }
  return thread;
}

/** Runs a task in the background and tells the user when it fails. */
export function inBackground(chat: Chat, task: Promise<unknown>): void {
  task.catch(chat.fail).finally(chat.changed);
}
