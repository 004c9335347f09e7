import type { Interceptor } from "@connectrpc/connect";
import { PresenceMode, ResyncReason } from "@parley/proto/parley/v1/message_service_pb.js";
import { ChangeKind, type StreamEvent } from "@parley/proto/parley/v1/stream_event_pb.js";
import { type AccountCalls, createAccountCalls } from "./account.js";
import { type Attachments, createAttachments } from "./attachments.js";
import type { ClientOptions } from "./client-options.js";
import { systemClock } from "./clock.js";
import { type Conversations, createConversations } from "./conversations.js";
import type { Credential, SessionCredential } from "./credential.js";
import { type Credentials, createCredentials } from "./credentials.js";
import type { CurrentUser } from "./current-user.js";
import { createCursorStore } from "./cursor-store.js";
import { createEmitter, type Listener } from "./emitter.js";
import { ParleyError, rejectsSession, toParleyError } from "./errors.js";
import { createEventIterator, type EventIterator } from "./event-iterator.js";
import { type ClientEvents, type ClientState, nameEvent } from "./events.js";
import { createFriends, type Friends } from "./friends.js";
import { createGroups, type Groups } from "./groups.js";
import { createHistory, type History } from "./history.js";
import { createInstallationKeeper, createInstallations, type Installations } from "./installations.js";
import type { Scope } from "./key-value-store.js";
import { createMessages, type Messages } from "./messages.js";
import { createOutbox, type Outbox } from "./outbox.js";
import { createOutboxStore } from "./outbox-store.js";
import { createPendingSend } from "./outgoing-message.js";
import { createPauseLock } from "./pause-lock.js";
import type { Platform } from "./platform.js";
import { createPresenceTracker } from "./presence.js";
import { putByFetch } from "./put-bytes.js";
import { createRooms, type Rooms } from "./rooms.js";
import { bearer, createRpc, type Rpc } from "./rpc.js";
import { createSessionKeeper } from "./session.js";
import { createSessionStore, type Session } from "./session-store.js";
import { createSessions, type Sessions } from "./sessions.js";
import { createStreamLoop } from "./stream-loop.js";
import { createUsers, type Users } from "./users.js";

/** The time after which a send that still waits is given up: 72 hours. */
const sendExpiryMs = 72 * 60 * 60 * 1000;

/** One user on one device. Several clients in one program do not know of each other. */
export interface Client extends AccountCalls {
  /** Where the stream stands. Each change is told by the event `state`. */
  readonly state: ClientState;
  /** The user that is logged in; undefined when none is. */
  readonly currentUser: CurrentUser | undefined;
  readonly messages: Messages;
  readonly attachments: Attachments;
  readonly history: History;
  readonly conversations: Conversations;
  readonly friends: Friends;
  readonly groups: Groups;
  readonly rooms: Rooms;
  readonly users: Users;
  readonly sessions: Sessions;
  readonly credentials: Credentials;
  readonly installations: Installations;
  /** Every generated service, already authenticated. */
  readonly rpc: Rpc;
  /** Adds a listener and returns the function that takes it away. Add listeners before `login`, so that none misses the beginning. */
  on<Name extends keyof ClientEvents>(name: Name, listener: Listener<ClientEvents[Name]>): () => void;
  /**
   * Every event of the stream from now on, in order, one at a time: the next one comes when the loop body is done with the last, and until
   * then the stream waits. Leave the loop (`break`) to stop listening. It ends by itself when the user logs out or the client is closed.
   */
  events(): AsyncIterableIterator<StreamEvent>;
  /**
   * Logs in and opens the stream, from where this user's last one on this device ended. Resolves when the stream has started, or when the
   * first attempt failed and the next one waits; rejects when there is no session: WRONG_CREDENTIAL, LOGIN_DISABLED, UNSUPPORTED,
   * UNREACHABLE, LOGGED_IN (log out first), …
   */
  login(credential: Credential | SessionCredential): Promise<CurrentUser>;
  /** Takes up the session that an earlier page or run left, of this user or of the latest; undefined when there is none that is still good. */
  restore(userId?: string): Promise<CurrentUser | undefined>;
  /** Goes offline without logging out: messages come as pushes, sends wait in the outbox. Resolves when the server knows, or cannot be told. */
  pause(): Promise<void>;
  /** Goes online again; harmless when online. Resolves when the stream has started or is held back by a missing network; rejects when closed. */
  resume(): Promise<void>;
  /**
   * Logs this device out: at once no event comes any more, pending sends fail with LOGGED_OUT, and what was saved is removed. Resolves when
   * the server has heard of it, so that no push comes either. When it cannot be reached the call rejects, and the client goes on telling it,
   * also after a restart.
   */
  logout(): Promise<void>;
  /** Ends the client for good without logging out. Resolves when what is to be saved is saved. */
  close(): Promise<void>;
}

/** Makes a client on the given platform; `createClient` fills it in. */
export function buildClient(options: ClientOptions, platform: Platform): Client {
  const { appId, clientKey, clock = systemClock, reconnectWait: waitMs = 300 } = options;
  const baseUrl = options.baseUrl.replace(/\/+$/, "");
  const attempts = options.autoReconnect === false ? 0 : (options.reconnectAttempts ?? Infinity);
  const store = options.store ?? platform.createStore();
  const cursorStore = options.cursorStore ?? createCursorStore(store);

  const emitter = createEmitter<ClientEvents>((error, name) => reportError(error, name));
  const presence = createPresenceTracker();
  const iterators = new Set<EventIterator<StreamEvent>>();
  const waiting = new Set<(state: ClientState) => void>();
  let currentUser: CurrentUser | undefined;
  let scope: Scope | undefined;
  let outbox: Outbox | undefined;
  let loggingIn = false;
  /** Ends the uploads of messages when their user leaves. */
  let uploading = new AbortController();
  /** The forgetting of the user before: whoever logs in next waits for it. */
  let forgetting: Promise<void> = Promise.resolve();

  /** Carries the session's token, and hears when the server does not accept it any more. */
  const authenticate: Interceptor = (next) => async (request) => {
    const token = session.current?.token;
    if (request.header.has("Authorization") || token === undefined) return next(request);
    request.header.set("Authorization", bearer(token).Authorization);
    try {
      return await next(request);
    } catch (thrown) {
      if (session.current?.token === token && rejectsSession(toParleyError(thrown))) loop.tell({ type: "rejected" });
      throw thrown;
    }
  };

  const rpc = createRpc(platform.createTransport(baseUrl, [authenticate]));
  const installation = createInstallationKeeper(
    store,
    { baseUrl, appId },
    { platform: platform.kind, ...options.installation },
  );
  const attachments = createAttachments(rpc, platform.put ?? putByFetch);
  const session = createSessionKeeper({
    rpc,
    clock,
    store: createSessionStore(store, { baseUrl, appId }, platform.createTabStore?.()),
    appId,
    clientKey,
    waitMs,
    installation,
  });
  const loop = createStreamLoop({
    message: rpc.message,
    clock,
    waitMs,
    attempts,
    presence: options.presence === "invisible" ? PresenceMode.INVISIBLE : PresenceMode.ONLINE,
    kinds: options.kinds ?? [],
    onEvent,
    onResync: (reason) => emitter.emit("resync", { reason }),
    onReady(lost) {
      // What is sent again goes before what waits, so nothing leaves until it is known whether anything was lost.
      if (lost === ResyncReason.HISTORY_CHANGED) outbox?.repeatRecent();
      outbox?.open();
    },
    onStarted: () => presence.begin(),
    async onCaughtUp() {
      const reader = scope;
      for (const userId of presence.settle())
        if (scope === reader) await emitter.emit("friendOffline", { userId, online: false });
    },
    onState,
    onDisconnected: (error) => void emitter.emit("disconnected", error),
    onError: reportError,
  });
  const lock = createPauseLock((held) => loop.tell({ type: held ? "pause" : "resume" }));
  const unwatch = watchDevice();

  function watchDevice(): () => void {
    const ends = [
      platform.watchOnline?.((online) => {
        if (!online) return lock.add("offline");
        lock.lift("offline");
        loop.tell({ type: "waited" });
      }),
      platform.watchVisible?.((visible) => {
        if (options.pauseWhenHidden && !visible) lock.add("hidden");
        else lock.lift("hidden");
        // Timers of a hidden page run late, so the wait may long be over.
        if (visible) loop.tell({ type: "waited" });
      }),
    ];
    return () => {
      for (const end of ends) end?.();
    };
  }

  /** The message of an unheard error names no content: what a listener throws may quote a message. */
  function reportError(error: unknown, source = "the client"): void {
    if (emitter.heard("error") && source !== "error") void emitter.emit("error", error);
    else console.error(`parley: ${source} met an error that nobody listens to; add a listener for "error"`);
  }

  async function onEvent(event: StreamEvent): Promise<void> {
    const named = nameEvent(event, currentUser?.userId ?? "", presence);
    if (event.event.case === "friendChanged" && event.event.value.change === ChangeKind.REMOVED) {
      presence.forget(event.event.value.userId);
    }
    const reader = scope;
    if (named) await emitter.emit(named[0], named[1]);
    // The user may have logged out while those who listen by name were busy.
    if (scope === reader) await emitter.emit("event", event);
  }

  function onState(state: ClientState): void {
    if (state.name !== "replaying" && state.name !== "live") outbox?.hold();
    if (state.name === "closed" && state.reason === "session_rejected") void session.drop().catch(reportError);
    if (isOver(state)) for (const { end } of iterators) end();
    for (const tell of waiting) tell(state);
    void emitter.emit("state", state);
  }

  /** Resolves with the first state, the present one included, that passes. */
  function until(passes: (state: ClientState) => boolean): Promise<ClientState> {
    if (passes(loop.state)) return Promise.resolve(loop.state);
    return new Promise((resolve) => {
      const tell = (state: ClientState): void => {
        if (!passes(state)) return;
        waiting.delete(tell);
        resolve(state);
      };
      waiting.add(tell);
    });
  }

  /** The session of the user before was rejected, not logged out: what waits goes, and what was not applied comes, when that user is back. */
  async function leaveUser(): Promise<void> {
    const abandon = () => outbox?.abandon(new ParleyError("CLOSED", "another user logged in", { retryable: true }));
    // The application may be busy with an event until a send of its own has an outcome.
    abandon();
    await loop.idle();
    abandon();
    // From here on what is sent is the new user's, so nobody may still read the old one's name.
    currentUser = undefined;
  }

  /** Takes up a session: its outbox, its place in the log, its stream. */
  async function begin({ userId, sessionId }: Session, created: boolean): Promise<CurrentUser> {
    const own: Scope = { baseUrl, appId, userId };
    if (scope?.userId !== userId) {
      await leaveUser();
      if (session.current?.sessionId !== sessionId) throw loggedOut();
      outbox = createOutbox({
        call: async (requests) => (await rpc.message.sendMessages({ requests })).results,
        clock,
        waitMs,
        expireAfterMs: sendExpiryMs,
        store: createOutboxStore(store, own),
        onError: reportError,
      });
      scope = own;
      await outbox.restore().catch((error: unknown) => {
        // The next login tries again.
        scope = undefined;
        throw error;
      });
    }
    const place = await cursorStore.load(own);
    // The application may have changed its mind while the stores were read.
    if (session.current?.sessionId !== sessionId) throw loggedOut();
    presence.clear();
    currentUser = { userId, created, friends: [], groups: [], rooms: [] };
    loop.start(userId, place, (cursor) => cursorStore.save(own, cursor));
    await until((state) => state.name !== "connecting");
    return currentUser;
  }

  /** Lets one login at a time through, and only when nobody is logged in. */
  async function enter<T>(login: () => Promise<T>): Promise<T> {
    if (loop.state.name === "closed" && loop.state.reason === "shut_down") throw new ParleyError("CLOSED", "closed");
    if (loggingIn || session.current) throw new ParleyError("LOGGED_IN", "a user is logged in; log out first");
    loggingIn = true;
    try {
      await forgetting.catch(() => {});
      return await login();
    } catch (error) {
      session.forget();
      throw error;
    } finally {
      loggingIn = false;
    }
  }

  async function forgetUser(): Promise<void> {
    uploading.abort(loggedOut());
    uploading = new AbortController();
    const left = scope;
    const cleared = outbox?.clear(loggedOut());
    outbox = undefined;
    scope = undefined;
    currentUser = undefined;
    presence.clear();
    await loop.end("stop");
    if (left) await cursorStore.clear(left);
    await cleared;
  }

  void session.finishLogouts();

  return {
    get state() {
      return loop.state;
    },
    get currentUser() {
      return currentUser;
    },
    messages: createMessages(
      rpc,
      clock,
      () => outbox ?? nobodysOutbox(clock.now()),
      attachments,
      () => uploading.signal,
    ),
    attachments,
    history: createHistory(rpc),
    conversations: createConversations(rpc),
    friends: createFriends(rpc, (friends) => currentUser && Object.assign(currentUser, { friends })),
    groups: createGroups(rpc, (groups) => currentUser && Object.assign(currentUser, { groups })),
    rooms: createRooms(rpc, (rooms) => currentUser && Object.assign(currentUser, { rooms })),
    users: createUsers(rpc),
    sessions: createSessions(rpc),
    credentials: createCredentials(rpc),
    installations: createInstallations(rpc, installation, () => session.current !== undefined),
    rpc,
    on: emitter.on,
    events() {
      const made = createEventIterator<StreamEvent>((listener) => {
        const off = emitter.on("event", listener);
        return () => {
          off();
          iterators.delete(made);
        };
      });
      iterators.add(made);
      return made.iterator;
    },
    ...createAccountCalls(rpc, { appId, clientKey }),
    login: (credential) =>
      enter(async () => {
        const opened = await session.login(credential);
        return begin(opened, opened.created);
      }),
    restore: (userId) =>
      enter(async () => {
        const saved = await session.restore(userId);
        if (!saved) return undefined;
        const restored = await begin(saved, false);
        return isOver(loop.state) ? undefined : restored;
      }),
    async pause() {
      const paused = lock.reasons.has("app");
      lock.add("app");
      if (!paused && session.current) await loop.announcePause();
    },
    async resume() {
      lock.lift("app");
      loop.tell({ type: "connect" });
      const state = await until(({ name }) => name !== "connecting" && name !== "waiting");
      if (state.name === "closed") throw new ParleyError("CLOSED", `the client is closed: ${state.reason}`);
    },
    async logout() {
      const told = session.logout();
      told.catch(() => {});
      forgetting = forgetUser();
      await forgetting;
      await told;
    },
    async close() {
      unwatch();
      uploading.abort(new ParleyError("CLOSED", "the client was closed", { retryable: true }));
      session.close();
      await loop.end("shut_down");
      outbox?.abandon(new ParleyError("CLOSED", "the client was closed", { retryable: true }));
    },
  };
}

/** Whether no event can come any more without a new login. */
function isOver(state: ClientState): boolean {
  if (state.name === "closed") return state.reason === "session_rejected" || state.reason === "shut_down";
  return state.name === "stopped";
}

const loggedOut = () => new ParleyError("LOGGED_OUT", "the user logged out");

/** What takes a send when nobody is logged in: it fails, as every send that cannot be. */
function nobodysOutbox(now: number): Pick<Outbox, "send" | "pending"> {
  return {
    send(request) {
      const send = createPendingSend(request, now);
      send.fail(new ParleyError("NOT_LOGGED_IN", "log in before sending"));
      return send.message;
    },
    pending: () => [],
  };
}
