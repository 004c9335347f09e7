import { create } from "@bufbuild/protobuf";
import { Code, ConnectError, type Interceptor } from "@connectrpc/connect";
import { ErrorDetailSchema, ErrorReason } from "@parley/proto/parley/v1/error_detail_pb.js";
import {
  GoodbyeReason,
  ResyncReason,
  SendMessageErrorSchema,
  type SendMessagesRequest,
} from "@parley/proto/parley/v1/message_service_pb.js";
import type { StreamEvent } from "@parley/proto/parley/v1/stream_event_pb.js";
import type { Scheduler } from "fast-check";
import { buildClient, type Client } from "../client.js";
import type { CursorStore } from "../cursor-store.js";
import type { KeyValueStore } from "../key-value-store.js";
import type { OutgoingMessage } from "../outgoing-message.js";
import { user } from "../peer.js";
import { createFakeServer } from "./fake-server.js";
import { createPassingClock } from "./passing-clock.js";

export const USERS = ["Jerry", "Spike"] as const;
export type UserName = (typeof USERS)[number];

export type Move =
  | "talk"
  | "cut"
  | "end"
  | "drain"
  | "pause"
  | "resume"
  | "logout"
  | "close"
  | "crash"
  | "revoke"
  | "replace"
  | "silence"
  | "speak"
  | "restore backup"
  | { login: UserName }
  | { restore: UserName }
  | { send: 0 | 1 }
  | { pass: number };

/** One run of the program. A crash stops it between any two steps: what it waits for never comes, and what it wrote last may be missing. */
interface Life {
  readonly client: Client;
  dead: boolean;
}

/** A send and what became of it. */
interface Sent {
  readonly life: Life;
  user: string | undefined;
  readonly peer: string;
  readonly number: number;
  readonly message: OutgoingMessage;
  kept: boolean;
  /** The user logged out, so that it need not arrive. */
  givenUp: boolean;
  outcome: string | undefined;
}

/** What the application of one user has in its own database. */
interface Kept {
  /** The last event whose listener has returned, and the last that was handed over. */
  applied: number | undefined;
  handed: number | undefined;
  /** The cursor that was saved. */
  cursor: string;
  /** A resync was told: the next event may be any. */
  resynced: boolean;
}

/**
 * A client, a server, a store and a network in which every step waits for the scheduler: each call and each answer, each frame, each
 * write and read, each listener. What must hold is checked as it happens; `wrong` says what did not.
 */
export function createScheduledWorld(scheduler: Scheduler, chance: () => number) {
  const server = createFakeServer();
  const wrong: string[] = [];
  const values = new Map<string, string>();
  const kept = new Map<string, Kept>();
  const sends: Sent[] = [];
  const failedReceivers = new Set<string>();
  let faults = true;
  let silent = false;
  let silences = 0;
  let talked = 0;
  let entering: UserName | undefined;
  const { clock, pass } = createPassingClock();

  const blank = (): Kept => ({ applied: undefined, handed: undefined, cursor: "", resynced: false });
  const keptOf = (name: string): Kept => {
    const found = kept.get(name) ?? blank();
    kept.set(name, found);
    return found;
  };
  const unlucky = (oneIn: number) => faults && chance() % oneIn === 0;

  /** Waits for its turn, for ever once the program has crashed. */
  const turn = async (life: { dead: boolean }, label: string) => {
    if (life.dead) return new Promise<never>(() => {});
    // Some things are slow: much else happens before they are done.
    for (let turns = unlucky(5) ? 1 + (chance() % 10) : 1; turns > 0; turns--)
      await scheduler.schedule(Promise.resolve(), label);
    if (life.dead) return new Promise<never>(() => {});
  };

  /** A slow application: often much else happens before it is done. */
  const linger = async (life: { dead: boolean }, label: string) => {
    for (let turns = unlucky(2) ? chance() % 20 : 0; turns > 0; turns--) await turn(life, label);
  };

  const storeOf = (life: { dead: boolean }): KeyValueStore => ({
    async get(key) {
      await turn(life, `get ${key}`);
      return values.get(key);
    },
    async set(key, value) {
      await turn(life, `set ${key}`);
      values.set(key, value);
      for (const sent of sends) if (key.endsWith(sent.message.clientMessageId)) sent.kept = true;
    },
    async remove(key) {
      await turn(life, `remove ${key}`);
      values.delete(key);
    },
    async keys(prefix) {
      await turn(life, `keys ${prefix}`);
      return [...values.keys()].filter((key) => key.startsWith(prefix)).sort();
    },
  });

  const cursorsOf = (life: { dead: boolean }): CursorStore => ({
    async load({ userId }) {
      await turn(life, `load cursor of ${userId}`);
      return keptOf(userId).cursor;
    },
    async save({ userId }, cursor) {
      // What an application writes in one transaction: the cursor, and what it has applied by now.
      const { applied } = keptOf(userId);
      const ahead = applied !== undefined && Number(cursor) > applied && !keptOf(userId).resynced;
      if (ahead && server.log.slice(applied, Number(cursor)).length > 0)
        wrong.push(`a cursor at ${cursor} was saved with events applied up to ${applied}`);
      await turn(life, `save cursor ${cursor} of ${userId}`);
      keptOf(userId).cursor = cursor;
    },
    async clear({ userId }) {
      await turn(life, `clear cursor of ${userId}`);
      // The database of the application is emptied with it.
      kept.set(userId, blank());
    },
  });

  /** The network: each call, each answer and each frame comes when the scheduler says so, or gets lost. */
  const network =
    (life: { dead: boolean }): Interceptor =>
    (next) =>
    async (request) => {
      const { name } = request.method;
      if (name === "SendMessages") checkSends(request.message as SendMessagesRequest, request.header);
      await turn(life, name);
      if (unlucky(6)) throw new ConnectError("lost on the way", Code.Unavailable);
      if (request.signal.aborted) throw new ConnectError("aborted", Code.Canceled);
      failedReceivers.clear();
      const response = await next(request);
      if (response.stream) return { ...response, message: frames(life, response.message) };
      await turn(life, `answer of ${name}`);
      if (unlucky(6)) throw new ConnectError("lost on the way back", Code.Unavailable);
      return response;
    };

  async function* frames<T>(life: { dead: boolean }, all: AsyncIterable<T>): AsyncGenerator<T> {
    const born = silences;
    for await (const frame of all) {
      await turn(life, "frame");
      // A connection that fell silent stays so.
      if (silent || silences !== born) await new Promise<never>(() => {});
      yield frame;
    }
  }

  function checkSends({ requests }: SendMessagesRequest, header: Headers): void {
    const by = server.tokens.get((header.get("Authorization") ?? "").replace("Bearer ", ""));
    for (const { clientMessageId } of requests) {
      const sent = sends.find(({ message }) => message.clientMessageId === clientMessageId);
      // Made while its user was still on the way in.
      if (sent !== undefined && by !== undefined) sent.user ??= by;
      if (sent === undefined) wrong.push("a send that nobody made");
      else if (by !== undefined && by !== sent.user) wrong.push(`a send of ${sent.user} went out as ${by}`);
      // A logout that a crash cut short has not come to its end.
      else if (sent.outcome === "LOGGED_OUT" && !sent.life.dead)
        wrong.push("a send went out that was told to have failed by logout");
    }
  }

  server.sendFault = ({ receiver }) => {
    const to = String(receiver?.peer.value);
    const earlier = failedReceivers.has(to);
    if (!earlier && !unlucky(8)) return undefined;
    failedReceivers.add(to);
    const reason = earlier ? ErrorReason.EARLIER_FAILED : ErrorReason.STORAGE_UNAVAILABLE;
    const detail = create(ErrorDetailSchema, { reason, retryable: true });
    return create(SendMessageErrorSchema, { code: "unavailable", message: "not now", detail });
  };

  function start(): Life {
    const life = { dead: false } as Life & { client: Client };
    const client = buildClient(
      {
        baseUrl: "http://parley.test",
        appId: "app",
        clientKey: "key",
        clock,
        store: storeOf(life),
        cursorStore: cursorsOf(life),
      },
      {
        ...server.platform,
        createTransport: (url, interceptors) => server.platform.createTransport(url, [...interceptors, network(life)]),
      },
    );
    life.client = client;
    // An application that is slow by name, and notes what it was given when all is done.
    client.on("friendMessage", async () => {
      if (!life.dead && client.currentUser === undefined)
        wrong.push("a message was delivered when nobody was logged in");
      await linger(life, "listener by name");
    });
    client.on("event", (event) => heard(life, event));
    client.on("resync", () => {
      const own = client.currentUser;
      if (life.dead) return;
      if (own === undefined) wrong.push("a resync was told when nobody was logged in");
      else keptOf(own.userId).resynced = true;
    });
    // What a store or a listener says is no concern of this world.
    client.on("error", (error) => void wrong.push(`error: ${String(error)}`));
    return life;
  }

  async function heard(life: Life, { cursor }: StreamEvent): Promise<void> {
    if (life.dead) return;
    const name = life.client.currentUser?.userId;
    if (name === undefined) return void wrong.push(`event ${cursor} was delivered when nobody was logged in`);
    const state = keptOf(name);
    const pos = Number(cursor);
    if (state.handed !== undefined && !state.resynced && pos !== state.handed + 1)
      wrong.push(`event ${pos} came to ${name} after ${state.handed}`);
    state.handed = pos;
    state.resynced = false;
    await linger(life, `listener of ${cursor}`);
    if (kept.get(name) === state) state.applied = pos;
  }

  let life = start();

  /** What is lost with the memory of a program: all that was not saved. */
  function forgetMemory(): void {
    for (const state of kept.values()) {
      const pos = state.cursor === "" ? undefined : Number(state.cursor);
      state.applied = pos;
      state.handed = pos;
      state.resynced = false;
    }
  }

  function send(peer: string): void {
    const own = life.client.currentUser;
    const number = sends.length;
    const message = life.client.messages.send(user(peer), { text: String(number) });
    const sent: Sent = {
      life,
      user: own?.userId,
      peer,
      number,
      message,
      kept: false,
      givenUp: false,
      outcome: undefined,
    };
    sends.push(sent);
    message.stored.then(
      () => {
        sent.outcome = "stored";
      },
      (error: { reason: string }) => {
        sent.outcome = error.reason;
      },
    );
  }

  const ignore = (call: Promise<unknown>) => void call.catch(() => {});

  function enter(name: UserName, call: Promise<unknown>): void {
    if (life.client.currentUser === undefined) entering = name;
    ignore(call);
  }

  function logout(): void {
    // It may be one that is only on the way in.
    const name = life.client.currentUser?.userId ?? entering;
    for (const sent of sends) if ((sent.user ?? name) === name && sent.outcome !== "stored") sent.givenUp = true;
    ignore(life.client.logout());
  }

  function move(step: Move): void {
    const { client } = life;
    if (typeof step === "object") {
      if ("login" in step) enter(step.login, client.login({ bareId: step.login }));
      else if ("restore" in step) enter(step.restore, client.restore(step.restore));
      else if ("send" in step) send(`peer${step.send}`);
      else pass(step.pass);
      return;
    }
    switch (step) {
      case "talk":
        server.talk(String(++talked));
        return;
      case "cut":
        server.cut();
        return;
      case "end":
        server.cut("quiet");
        return;
      case "drain":
        server.goodbye(GoodbyeReason.DRAIN, true, 50);
        return;
      case "replace":
        server.goodbye(GoodbyeReason.REPLACED, false);
        return;
      case "revoke":
        server.tokens.clear();
        server.goodbye(GoodbyeReason.SESSION_REVOKED, false);
        return;
      case "pause":
        ignore(client.pause());
        return;
      case "resume":
        ignore(client.resume());
        return;
      case "logout":
        logout();
        return;
      case "close":
      case "crash":
        // A program that closes and does not wait for it is one that crashes.
        if (step === "close") ignore(client.close());
        (life as { dead: boolean }).dead = true;
        forgetMemory();
        life = start();
        return;
      case "silence":
        silent = true;
        silences++;
        return;
      case "speak":
        silent = false;
        return;
      case "restore backup":
        server.forgetful = ResyncReason.HISTORY_CHANGED;
        return;
    }
  }

  return {
    server,
    wrong,
    values,
    sends,
    move,
    pass,
    keptOf,
    get client() {
      return life.client;
    },
    /** The sign of life of a quiet server. */
    beat: () =>
      server.frame({
        case: "heartbeat",
        value: { $typeName: "parley.v1.Heartbeat", cursor: String(server.log.length) },
      }),
    /** From now on nothing gets lost. */
    heal() {
      faults = false;
      silent = false;
      server.forgetful = undefined;
    },
  };
}

export type ScheduledWorld = ReturnType<typeof createScheduledWorld>;
