import type { ChatMessage } from "@parley/proto/parley/v1/chat_message_pb.js";
import type { SendMessageRequest, SendMessageResult } from "@parley/proto/parley/v1/message_service_pb.js";
import type { Clock } from "./clock.js";
import { fromResultError, ParleyError, rejectsSession, toParleyError } from "./errors.js";
import { batchLimit, createLanes, type Entry } from "./outbox-lanes.js";
import type { OutboxStore } from "./outbox-store.js";
import { createPendingSend, type OutgoingMessage } from "./outgoing-message.js";
import { createRecentSends } from "./recent-sends.js";
import { reconnectWait } from "./reconnect-policy.js";

/** The calls that may be under way at once, each with other conversations: a browser has six connections to one server. */
const callLimit = 4;

/** What the outbox needs from outside. */
export interface OutboxPorts {
  /** MessageService.SendMessages: as many results as requests, in their order. */
  readonly call: (requests: SendMessageRequest[]) => Promise<SendMessageResult[]>;
  readonly clock: Clock;
  /** The bound of the first real wait after a failure, in milliseconds; see `reconnectWait`. */
  readonly waitMs: number;
  /** The time after which a send that still waits is given up, in milliseconds. */
  readonly expireAfterMs: number;
  /** Where sends outlive the program; absent: nowhere. */
  readonly store?: OutboxStore;
  /** Hears of failures of the store. The send itself goes on. */
  readonly onError: (error: unknown) => void;
  /** Called each time the last pending send has its outcome. */
  readonly onEmpty?: () => void;
}

/** The pending sends of one user. Per conversation they are stored in the order they were sent, each at most once. */
export interface Outbox {
  /** Takes a send over. A send with an id that is pending already is that same send. */
  send(request: SendMessageRequest): OutgoingMessage;
  /** Brings back what an earlier run of the program left. */
  restore(): Promise<void>;
  /** The server can be reached: sends leave. */
  open(): void;
  /** The server cannot be reached: sends wait, room talk and transient ones fail. Calls under way go on. */
  hold(): void;
  /** Ends every pending send with `error`, for logout: what the store keeps is removed too. Resolves when it is. */
  clear(error: ParleyError): Promise<void>;
  /** Ends every pending send with `error`, for the end of the program: what the store keeps is left to the next run. */
  abandon(error: ParleyError): void;
  /** Sends again what was stored lately, for a server that lost it: with the same ids, so nothing is doubled. */
  repeatRecent(): void;
  /** The sends without an outcome, in the order they were sent. */
  pending(): OutgoingMessage[];
}

export function createOutbox({ call, clock, waitMs, expireAfterMs, store, onError, onEmpty }: OutboxPorts): Outbox {
  const lanes = createLanes();
  const recent = createRecentSends();
  let opened = false;
  let calls = 0;
  let failures = 0;
  let notBefore = 0;
  let limit = batchLimit;
  let flushing = false;
  let cancelTimer = () => {};
  let restoring: Promise<void> = Promise.resolve();

  /** Runs a write of the store and reports its failure; synchronous when the store is. */
  function keep(write: () => void | Promise<void>, done: () => void): void {
    const finish = (error?: unknown): void => {
      if (error !== undefined) onError(error);
      done();
    };
    try {
      const written = write();
      if (written) written.then(() => finish(), finish);
      else finish();
    } catch (error) {
      finish(error);
    }
  }

  /** False once logout or close has ended the send, whatever its call still brings. */
  const isPending = (entry: Entry): boolean => lanes.get(entry.send.message.clientMessageId) === entry;

  /** Calls `done` when the store has forgotten the send too. */
  function forget(entry: Entry, done = () => {}): void {
    lanes.delete(entry);
    if (store && !entry.lane.volatile) keep(() => store.remove(entry.send), done);
    else done();
    if (lanes.isEmpty()) onEmpty?.();
  }

  function succeed(entry: Entry, message: ChatMessage): void {
    entry.lane.failures = 0;
    if (!entry.lane.volatile) recent.add(entry.send.request, entry.bytes);
    entry.send.succeed(message);
    forget(entry);
  }

  function fail(entry: Entry, error: ParleyError, done?: () => void): void {
    entry.send.fail(error);
    forget(entry, done);
  }

  const later = (count: number, delay: number | undefined): number =>
    clock.now() + reconnectWait(count, waitMs, clock, delay);

  /** One send of an answered call failed. */
  function failOne(entry: Entry, error: ParleyError): void {
    const { lane } = entry;
    if (lane.volatile || !error.retryable) {
      fail(entry, error);
    } else if (error.reason === "RATE_LIMITED") {
      notBefore = Math.max(notBefore, later(2, error.retryDelayMs));
    } else if (error.reason !== "EARLIER_FAILED") {
      lane.failures += 1;
      lane.notBefore = later(lane.failures, error.retryDelayMs);
    }
  }

  /** A whole call failed. What became of its sends is unknown, unless the server refused it as it was. */
  function failCall(batch: readonly Entry[], error: ParleyError): void {
    const again = error.retryable || rejectsSession(error);
    if (!again && batch.length > 1) {
      limit = 1;
      return;
    }
    for (const entry of batch) if (isPending(entry) && (entry.lane.volatile || !again)) fail(entry, alone(error));
    if (!again) return;
    failures += 1;
    notBefore = later(failures, error.retryDelayMs);
  }

  function settle(batch: readonly Entry[], results: readonly SendMessageResult[]): void {
    failures = 0;
    let stored = 0;
    let tooFast = false;
    for (const [index, entry] of batch.entries()) {
      if (!isPending(entry)) continue;
      const result = results[index];
      if (result?.message) {
        stored += 1;
        succeed(entry, result.message);
        continue;
      }
      const error = result?.error ? fromResultError(result.error) : missingResult();
      tooFast ||= error.reason === "RATE_LIMITED";
      failOne(entry, error);
    }
    limit = tooFast ? Math.max(1, stored) : Math.min(batchLimit, limit * 2);
  }

  async function dispatch(batch: readonly Entry[]): Promise<void> {
    calls += 1;
    for (const { lane } of batch) lane.busy = true;
    try {
      settle(batch, await call(batch.map(({ send }) => send.request)));
    } catch (error) {
      failCall(batch, toParleyError(error));
    }
    for (const { lane } of batch) lane.busy = false;
    calls -= 1;
    if (!opened) failVolatile();
    flush();
  }

  function flush(): void {
    flushing = false;
    expire();
    while (opened && calls < callLimit) {
      const batch = lanes.take(clock.now(), notBefore, limit);
      if (batch.length === 0) break;
      void dispatch(batch);
    }
    arm();
  }

  /** Lets the sends of one tick leave together. */
  function flushSoon(): void {
    if (flushing) return;
    flushing = true;
    queueMicrotask(flush);
  }

  function expire(): void {
    const oldest = clock.now() - expireAfterMs;
    for (const entry of lanes.entries()) {
      if (entry.send.createdMs <= oldest && !entry.lane.busy) fail(entry, expired());
    }
  }

  /** Wakes up for the next retry that is due and for the next send that expires. */
  function arm(): void {
    cancelTimer();
    cancelTimer = () => {};
    const now = clock.now();
    let next = Infinity;
    for (const { lane, send } of lanes.entries()) {
      if (lane.busy) continue;
      next = Math.min(next, send.createdMs + expireAfterMs);
      const due = Math.max(notBefore, lane.notBefore);
      if (opened && due > now) next = Math.min(next, due);
    }
    if (next < Infinity) cancelTimer = clock.setTimer(next - now, flush);
  }

  async function bringBack(): Promise<void> {
    const kept = (await store?.load()) ?? [];
    // Before those that were sent meanwhile.
    lanes.prepend(kept.filter(({ message }) => !lanes.get(message.clientMessageId)));
    flushSoon();
  }

  /** Resolves when the store has forgotten them all. */
  async function failAll(error: ParleyError): Promise<void> {
    const removals = lanes.entries().map((entry) => new Promise<void>((done) => fail(entry, error, done)));
    arm();
    await Promise.all(removals);
  }

  function failVolatile(): void {
    for (const entry of lanes.entries()) if (entry.lane.volatile && !entry.lane.busy) fail(entry, offline());
  }

  return {
    send(request) {
      const known = lanes.get(request.clientMessageId);
      if (known) return known.send.message;
      const send = createPendingSend(request, clock.now());
      const entry = lanes.add(send, !store);
      if (entry.lane.volatile && !opened) {
        fail(entry, offline());
        return send.message;
      }
      const ready = (): void => {
        entry.ready = true;
        flushSoon();
      };
      if (store && !entry.lane.volatile) keep(() => store.put(send), ready);
      else ready();
      return send.message;
    },
    restore() {
      restoring = bringBack();
      return restoring;
    },
    open() {
      opened = true;
      failures = 0;
      notBefore = 0;
      flushSoon();
    },
    hold() {
      opened = false;
      failVolatile();
      arm();
    },
    async clear(error) {
      opened = false;
      recent.clear();
      const removed = failAll(error);
      // What an earlier run left may still be on its way here.
      await restoring;
      await Promise.all([removed, failAll(error)]);
    },
    abandon(error) {
      opened = false;
      for (const entry of lanes.entries()) {
        entry.send.fail(error);
        lanes.delete(entry);
      }
      arm();
    },
    repeatRecent() {
      const lost = recent.take().filter(({ clientMessageId }) => !lanes.get(clientMessageId));
      lanes.prepend(lost.map((request) => createPendingSend(request, clock.now())));
      flushSoon();
    },
    pending: () => lanes.entries().map(({ send }) => send.message),
  };
}

/** The failure of a call with one send, as the failure of that send: the field at fault is one of its own. */
function alone(error: ParleyError): ParleyError {
  const field = error.field.replace(/^requests\[0\]\./, "");
  return field === error.field
    ? error
    : new ParleyError(error.reason, error.message, { ...error, field, cause: error });
}

const offline = () =>
  new ParleyError("OFFLINE", "the stream is not open, and this send does not wait", { retryable: true });
const expired = () => new ParleyError("SEND_EXPIRED", "the send waited too long", { retryable: true });
const missingResult = () =>
  new ParleyError("UNREACHABLE", "the answer names no outcome for this send", { retryable: true });
