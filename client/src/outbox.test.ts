import { create } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import { ChatMessageSchema } from "@parley/proto/parley/v1/chat_message_pb.js";
import { ErrorReason } from "@parley/proto/parley/v1/error_detail_pb.js";
import {
  type SendMessageRequest,
  type SendMessageResult,
  SendMessageResultSchema,
} from "@parley/proto/parley/v1/message_service_pb.js";
import type { Peer } from "@parley/proto/parley/v1/peer_pb.js";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ParleyError, toParleyError } from "./errors.js";
import { type KeyValueStore, memoryStore } from "./key-value-store.js";
import { toSendRequest } from "./message-content.js";
import { createOutbox, type OutboxPorts } from "./outbox.js";
import { createOutboxStore, type OutboxStore } from "./outbox-store.js";
import { deferred } from "./outgoing-message.js";
import { group, peerKey, room, user } from "./peer.js";
import { createFakeClock, settle } from "./testing/fake-clock.js";
import { refusal } from "./testing/fake-server.js";

const hour = 60 * 60 * 1000;
const scope = { baseUrl: "http://parley.test", appId: "app", userId: "Tom" };

/** A server that stores each id once and notes the order per conversation. */
function createBackend() {
  const stored = new Map<string, string[]>();
  const seen = new Set<string>();
  return {
    stored,
    batches: [] as SendMessageRequest[][],
    texts: (peer: Peer) => stored.get(peerKey(peer)) ?? [],
    store(request: SendMessageRequest): SendMessageResult {
      const key = request.receiver ? peerKey(request.receiver) : "";
      const text = request.content?.content.case === "text" ? request.content.content.value.text : "";
      if (!seen.has(request.clientMessageId)) stored.set(key, [...(stored.get(key) ?? []), text]);
      const deduplicated = seen.has(request.clientMessageId);
      seen.add(request.clientMessageId);
      const message = create(ChatMessageSchema, { clientMessageId: request.clientMessageId });
      return create(SendMessageResultSchema, { message, deduplicated });
    },
  };
}

function sendError(reason: ErrorReason, retryable: boolean, retryDelayMs?: number): SendMessageResult {
  const retryDelay = retryDelayMs === undefined ? {} : { retryDelay: durationFromMs(retryDelayMs) };
  return create(SendMessageResultSchema, {
    error: { code: "aborted", message: "no", detail: { reason, retryable, ...retryDelay } },
  });
}

function setUp(ports: Partial<OutboxPorts> = {}) {
  const clock = createFakeClock(() => 1);
  const backend = createBackend();
  let count = 0;
  const outbox = createOutbox({
    clock,
    waitMs: 300,
    expireAfterMs: 72 * hour,
    onError: (error) => {
      throw error;
    },
    async call(requests) {
      backend.batches.push(requests);
      return requests.map(backend.store);
    },
    ...ports,
  });
  const send = (peer: Peer, text: string, options = {}) =>
    outbox.send(toSendRequest(peer, { text }, `id-${++count}`, options));
  return { clock, backend, outbox, send };
}

describe("the outbox", () => {
  it("keeps sends until it is opened, and stores them in order", async () => {
    const { backend, outbox, send } = setUp();
    const first = send(user("Jerry"), "one");
    send(user("Jerry"), "two");
    await settle();
    expect(first.status).toBe("sending");
    expect(backend.batches).toEqual([]);
    outbox.open();
    expect((await first.stored).clientMessageId).toBe("id-1");
    expect(first.status).toBe("sent");
    expect(backend.texts(user("Jerry"))).toEqual(["one", "two"]);
  });

  it("tells each change of the status", async () => {
    const { outbox, send } = setUp();
    const message = send(user("Jerry"), "one");
    const told: string[] = [];
    message.on("status", (status) => told.push(status));
    outbox.open();
    await settle();
    expect(told).toEqual(["sent"]);
  });

  it("takes a second send with a pending id for the same send", () => {
    const { outbox } = setUp();
    const request = toSendRequest(user("Jerry"), { text: "one" }, "same", {});
    expect(outbox.send(request)).toBe(outbox.send(request));
  });

  it("sends what waits in different conversations in one call", async () => {
    const { backend, outbox, send } = setUp();
    outbox.open();
    send(user("Jerry"), "one");
    send(group("cats"), "two");
    send(room("lobby"), "three");
    await settle();
    expect(backend.batches.map((batch) => batch.length)).toEqual([3]);
  });

  it("O2: has one call under way per conversation, and others beside it", async () => {
    const underWay = new Map<string, number>();
    const answers: (() => void)[] = [];
    const { outbox, send } = setUp({
      async call(requests) {
        for (const { receiver } of requests) {
          const key = receiver ? peerKey(receiver) : "";
          underWay.set(key, (underWay.get(key) ?? 0) + 1);
        }
        await new Promise<void>((resolve) => answers.push(resolve));
        return requests.map(createBackend().store);
      },
    });
    outbox.open();
    send(user("Jerry"), "one");
    await settle();
    send(user("Jerry"), "two");
    send(user("Spike"), "three");
    await settle();
    expect([...underWay]).toEqual([
      ["userId:Jerry", 1],
      ["userId:Spike", 1],
    ]);
    answers[0]?.();
    await settle();
    expect(underWay.get("userId:Jerry")).toBe(2);
  });

  it("O3: puts at most 100 sends and 512 KiB into a call", async () => {
    const { backend, outbox, send } = setUp();
    for (let i = 0; i < 101; i++) send(user("Jerry"), "x");
    for (let i = 0; i < 66; i++) send(user("Spike"), "y".repeat(8192));
    outbox.open();
    await settle();
    const sizes = backend.batches.map((batch) => batch.length);
    expect(sizes).toEqual([100, 63, 1, 3]);
    expect(backend.texts(user("Spike"))).toHaveLength(66);
  });

  it("O4: waits as long as the server says after RATE_LIMITED, then goes on in order with smaller calls", async () => {
    let tokens = 3;
    const { backend, clock, outbox, send } = setUp({
      call: async (requests) => {
        let limited = false;
        return requests.map((request) => {
          if (limited) return sendError(ErrorReason.EARLIER_FAILED, true);
          if (tokens-- > 0) return backend.store(request);
          limited = true;
          return sendError(ErrorReason.RATE_LIMITED, true, 2000);
        });
      },
    });
    outbox.open();
    for (let i = 0; i < 6; i++) send(user("Jerry"), String(i));
    await settle();
    expect(backend.texts(user("Jerry"))).toEqual(["0", "1", "2"]);
    await clock.advance(1999);
    tokens = 100;
    expect(backend.texts(user("Jerry"))).toHaveLength(3);
    await clock.advance(1);
    expect(backend.texts(user("Jerry"))).toEqual(["0", "1", "2", "3", "4", "5"]);
  });

  it("O4: fails one send for what cannot be mended, and stores the others", async () => {
    const { backend, outbox, send } = setUp({
      call: async (requests) =>
        requests.map((request) =>
          request.clientMessageId === "id-2" ? sendError(ErrorReason.MUTED, false) : backend.store(request),
        ),
    });
    outbox.open();
    const sends = ["one", "two", "three"].map((text) => send(user("Jerry"), text));
    await settle();
    expect(sends.map(({ status }) => status)).toEqual(["sent", "failed", "sent"]);
    expect(sends[1]?.error).toMatchObject({ reason: "MUTED", retryable: false, code: "aborted" });
    await expect(sends[1]?.stored).rejects.toBeInstanceOf(ParleyError);
  });

  it("O4: finds the one send for which the server refuses a whole call", async () => {
    const { backend, outbox, send } = setUp({
      async call(requests) {
        if (requests.some(({ clientMessageId }) => clientMessageId === "id-5")) {
          throw refusal(ErrorReason.INVALID_FIELD, Code.InvalidArgument, { field: "requests[0].content.text.text" });
        }
        return requests.map(backend.store);
      },
    });
    outbox.open();
    const sends = Array.from({ length: 8 }, (_, i) => send(user("Jerry"), String(i)));
    await settle();
    expect(sends.filter(({ status }) => status === "failed").map(({ clientMessageId }) => clientMessageId)).toEqual([
      "id-5",
    ]);
    expect(sends[4]?.error).toMatchObject({ reason: "INVALID_FIELD", field: "content.text.text" });
    expect(backend.texts(user("Jerry"))).toEqual(["0", "1", "2", "3", "5", "6", "7"]);
  });

  it("O5: fails room talk and transient sends at once when they cannot leave", async () => {
    let broken = false;
    const { backend, outbox, send } = setUp({
      async call(requests) {
        if (broken) throw new ConnectError("cut", Code.Unavailable);
        return requests.map(backend.store);
      },
    });
    const offline = [send(room("lobby"), "one"), send(user("Jerry"), "two", { transient: true })];
    expect(offline.map(({ status, error }) => [status, error?.reason])).toEqual([
      ["failed", "OFFLINE"],
      ["failed", "OFFLINE"],
    ]);
    outbox.open();
    broken = true;
    const lost = send(room("lobby"), "three");
    await settle();
    expect(lost.error?.reason).toBe("UNREACHABLE");
    broken = false;
    await expect(send(room("lobby"), "four").stored).resolves.toBeDefined();
    expect(backend.texts(room("lobby"))).toEqual(["four"]);
  });

  it("O6: keeps sends over a restart, in order", async () => {
    const store = memoryStore();
    const before = setUp({ store: createOutboxStore(store, scope) });
    before.send(user("Jerry"), "one");
    before.send(user("Jerry"), "two");
    await settle();
    before.outbox.abandon(new ParleyError("CLOSED", "closed"));
    const after = setUp({ store: createOutboxStore(store, scope) });
    await after.outbox.restore();
    expect(after.outbox.pending().map(({ clientMessageId }) => clientMessageId)).toEqual(["id-1", "id-2"]);
    after.outbox.open();
    await settle();
    expect(after.backend.texts(user("Jerry"))).toEqual(["one", "two"]);
    expect(await store.keys("")).toEqual([]);
  });

  const late: KeyValueStore = (() => {
    const values = memoryStore();
    return {
      get: async (key) => values.get(key),
      set: async (key, value) => values.set(key, value),
      remove: async (key) => values.remove(key),
      keys: async (prefix) => values.keys(prefix),
    };
  })();

  it.each([
    ["at once", memoryStore()],
    ["later", late],
  ])("O6: keeps the order over restarts though the clock goes back, in a store that answers %s", async (_, store) => {
    for (const [run, hours] of [3, 2, 1].entries()) {
      const { clock, outbox } = setUp({ store: createOutboxStore(store, scope) });
      await clock.advance(hours * hour);
      // Two at once, and before what earlier runs left is read.
      for (const half of [0, 1]) {
        const id = `id-${run * 2 + half}`;
        outbox.send(toSendRequest(user("Jerry"), { text: id }, id, {}));
      }
      await settle();
      outbox.abandon(new ParleyError("CLOSED", "closed"));
    }
    const last = setUp({ store: createOutboxStore(store, scope) });
    await last.outbox.restore();
    last.outbox.open();
    await settle();
    expect(last.backend.texts(user("Jerry"))).toEqual(["id-0", "id-1", "id-2", "id-3", "id-4", "id-5"]);
    expect(await store.keys("")).toEqual([]);
  });

  it("O6: keeps a send before its first try, and tries it when it cannot be kept", async () => {
    const errors: unknown[] = [];
    const written: (() => void)[] = [];
    const kept = setUp({
      onError: (error) => errors.push(error),
      store: {
        put: ({ message }) =>
          message.clientMessageId === "id-1"
            ? new Promise((resolve) => written.push(resolve))
            : Promise.reject(new Error("full")),
        remove: () => {},
        load: async () => [],
      },
    });
    kept.outbox.open();
    kept.send(user("Jerry"), "one");
    kept.send(user("Jerry"), "two");
    kept.send(user("Spike"), "three");
    await settle();
    expect(kept.backend.texts(user("Jerry"))).toEqual([]);
    expect(kept.backend.texts(user("Spike"))).toEqual(["three"]);
    written[0]?.();
    await settle();
    expect(kept.backend.texts(user("Jerry"))).toEqual(["one", "two"]);
    expect(errors).toHaveLength(2);
  });

  it("O6: forgets what it cannot read", async () => {
    const store = memoryStore();
    const { outbox, send } = setUp({ store: createOutboxStore(store, scope) });
    send(user("Jerry"), "one");
    const [key = ""] = await store.keys("");
    await store.set(key, "{");
    expect(await createOutboxStore(store, scope).load()).toEqual([]);
    expect(await store.keys("")).toEqual([]);
    outbox.abandon(new ParleyError("CLOSED", "closed"));
  });

  it("O6: puts what an earlier run left before what was sent while it was read", async () => {
    const store = createOutboxStore(memoryStore(), scope);
    const before = setUp({ store });
    before.send(user("Jerry"), "one");
    await settle();
    before.outbox.abandon(new ParleyError("CLOSED", "closed"));
    const read = deferred<void>();
    const slow: OutboxStore = { ...store, load: () => read.promise.then(store.load) };
    const after = setUp({ store: slow });
    const restored = after.outbox.restore();
    after.outbox.send(toSendRequest(user("Jerry"), { text: "two" }, "id-2", {}));
    read.resolve();
    await restored;
    after.outbox.open();
    await settle();
    expect(after.backend.texts(user("Jerry"))).toEqual(["one", "two"]);
  });

  it("removes at logout what the store is still writing", async () => {
    const values = memoryStore();
    const written = deferred<void>();
    const slow = { ...values, set: (key: string, value: string) => written.promise.then(() => values.set(key, value)) };
    const { outbox, send } = setUp({ store: createOutboxStore(slow, scope) });
    const message = send(user("Jerry"), "one");
    const cleared = outbox.clear(new ParleyError("LOGGED_OUT", "out"));
    expect(message.error?.reason).toBe("LOGGED_OUT");
    written.resolve();
    await cleared;
    expect(await values.keys("")).toEqual([]);
  });

  it("O7: gives a send up after 72 hours", async () => {
    const { clock, send } = setUp();
    const message = send(user("Jerry"), "one");
    await clock.advance(72 * hour - 1);
    expect(message.status).toBe("sending");
    await clock.advance(1);
    expect(message.error?.reason).toBe("SEND_EXPIRED");
  });

  it("O8: sends again what was stored lately, before what waits", async () => {
    const { backend, outbox, send } = setUp();
    outbox.open();
    send(user("Jerry"), "one");
    send(user("Jerry"), "two");
    await settle();
    outbox.hold();
    send(user("Jerry"), "three");
    outbox.repeatRecent();
    outbox.open();
    await settle();
    expect(backend.batches.at(-1)?.map(({ clientMessageId }) => clientMessageId)).toEqual(["id-1", "id-2", "id-3"]);
    expect(backend.texts(user("Jerry"))).toEqual(["one", "two", "three"]);
  });

  it("ends every send at logout, also those under way, and disturbs nobody who does not wait", async () => {
    const store = memoryStore();
    const { outbox, send } = setUp({ store: createOutboxStore(store, scope), call: () => new Promise(() => {}) });
    outbox.open();
    const message = send(user("Jerry"), "one");
    await settle();
    outbox.clear(new ParleyError("LOGGED_OUT", "logged out"));
    expect(message.error?.reason).toBe("LOGGED_OUT");
    expect(outbox.pending()).toEqual([]);
    expect(await store.keys("")).toEqual([]);
  });

  it("keeps the sends of a rejected session for the next one", async () => {
    let good = false;
    const { backend, outbox, send } = setUp({
      async call(requests) {
        if (!good) throw refusal(ErrorReason.SESSION_REVOKED, Code.Unauthenticated);
        return requests.map(backend.store);
      },
    });
    outbox.open();
    const message = send(user("Jerry"), "one");
    await settle();
    outbox.hold();
    good = true;
    outbox.open();
    await expect(message.stored).resolves.toBeDefined();
  });

  it("O1: loses, doubles and reorders nothing, whatever gets lost", async () => {
    /** What becomes of one call: it works, it is not heard, its answer is lost, it stops in the middle, or comes too fast. */
    const fate = fc.constantFrom("works", "unheard", "lost", "busy", "limited", "short");
    const step = fc.oneof(
      fc.record({ to: fc.nat(2) }),
      fc.record({ wait: fc.nat(2000) }),
      fc.constantFrom("hold" as const, "open" as const),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(fate, { maxLength: 30 }), fc.array(step, { maxLength: 40 }), async (fates, steps) => {
        const peers = [user("Jerry"), user("Spike"), group("cats")];
        const sent = new Map<string, string[]>(peers.map((peer) => [peerKey(peer), []]));
        let turn = 0;
        const { backend, clock, outbox, send } = setUp({
          async call(requests) {
            const now = fates[turn++] ?? "works";
            if (now === "unheard") throw toParleyError(new ConnectError("cut", Code.Unavailable));
            const stop = now === "busy" || now === "limited" ? Math.floor(requests.length / 2) : requests.length;
            const stopped = new Set<string>();
            const results = requests.map((request, index) => {
              const key = request.receiver ? peerKey(request.receiver) : "";
              if (stopped.has(key)) return sendError(ErrorReason.EARLIER_FAILED, true);
              if (index < stop) return backend.store(request);
              stopped.add(key);
              return now === "busy"
                ? sendError(ErrorReason.SERVER_BUSY, true)
                : sendError(ErrorReason.RATE_LIMITED, true, 100);
            });
            await new Promise<void>((resolve) => setImmediate(resolve));
            if (now === "lost") throw toParleyError(new ConnectError("cut", Code.DeadlineExceeded));
            return now === "short" ? results.slice(0, 1) : results;
          },
        });
        outbox.open();
        let count = 0;
        for (const move of steps) {
          if (move === "hold") outbox.hold();
          else if (move === "open") outbox.open();
          else if ("wait" in move) await clock.advance(move.wait);
          else {
            const peer = peers[move.to] as Peer;
            const text = String(count++);
            sent.get(peerKey(peer))?.push(text);
            send(peer, text);
          }
        }
        outbox.open();
        await clock.advance(40 * 30_000);
        for (const peer of peers) expect(backend.texts(peer)).toEqual(sent.get(peerKey(peer)));
        expect(outbox.pending()).toEqual([]);
      }),
      { numRuns: 60, interruptAfterTimeLimit: 1500 },
    );
  }, 30_000);
});
