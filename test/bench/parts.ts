/** What each part of a SendMessage costs the server, in microseconds of CPU: `npm run bench -- --parts`. */
import { join } from "node:path";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { createValidator } from "@bufbuild/protovalidate";
import {
  MessageService,
  SendMessageRequestSchema,
  SendMessageResponseSchema,
} from "@parley/proto/parley/v1/message_service_pb.js";
import { UserKind } from "@parley/proto/parley/v1/user_pb.js";
import { encodeEvent } from "../../server/src/delivery/frames.js";
import { authenticate } from "../../server/src/domain/authenticate.js";
import type { Ctx } from "../../server/src/domain/context.js";
import { finishSend } from "../../server/src/domain/send-message.js";
import { targetOf } from "../../server/src/domain/send-target.js";
import { createSessionCache } from "../../server/src/domain/session-cache.js";
import { storeSends } from "../../server/src/domain/store-sends.js";
import { newSessionToken, tokenHash } from "../../server/src/domain/tokens.js";
import { LIMITS } from "../../server/src/limits.js";
import { systemClock } from "../../server/src/ops/clock.js";
import { createLogger } from "../../server/src/ops/logger.js";
import { createMetrics } from "../../server/src/ops/metrics.js";
import type { LogEvent } from "../../server/src/ports.js";
import { surelyValid } from "../../server/src/rpc/fast-rules.js";
import { sentAnswer } from "../../server/src/rpc/stored-messages.js";
import { checkValues } from "../../server/src/rpc/value-check.js";
import { createCommitter } from "../../server/src/store/committer.js";
import { encodeCursor } from "../../server/src/store/cursor.js";
import { openSqlite } from "../../server/src/store/sqlite.js";
import { insertUser } from "../../server/src/store/users.js";
import { makeWorkFolder } from "./work-folder.js";

const CALLS = 50_000;
const SENDS = 8_000;
const PAIRS = 50;

export async function printParts(say: (text: string) => void): Promise<void> {
  const newId = ids();
  const makeRequest = (pair: number) =>
    create(SendMessageRequestSchema, {
      receiver: { peer: { case: "userId", value: `receiver-${pair}` } },
      content: { content: { case: "text", value: { text: "x".repeat(200) } } },
      clientMessageId: newId(),
    });
  const request = makeRequest(1);
  const bytes = toBinary(SendMessageRequestSchema, request);
  const ctx = { limits: LIMITS, newId } as unknown as Ctx;
  const send = (pair: number) => {
    const made = makeRequest(pair);
    return finishSend(ctx, `sender-${pair}`, targetOf(`sender-${pair}`, made.receiver), made);
  };
  const parts: [string, () => unknown][] = [
    ["decoding the request", () => fromBinary(SendMessageRequestSchema, bytes)],
    ["authentication, session known", signIn()],
    ["validation, surely valid", () => surelyValid(SendMessageRequestSchema, request)],
    ["validation by protovalidate, which the line above spares", validate(request)],
    ["validation of values that no rule can name", () => checkValues(SendMessageRequestSchema, request)],
    ["metrics of the call", countCall()],
    ["logging, at the level info", logCall()],
    ["the mark of the payload, for repeats", () => send(1)],
  ];
  for (const [name, run] of parts) say(line(name, await timed(run)));
  for (const batch of [1, 8, 64]) {
    const { micros, events } = await commits(batch, send, newId);
    say(line(`commit of ${batch}, authorisation and fsync included`, micros));
    if (batch === 64) for (const [name, run] of afterwards(events[0] as LogEvent)) say(line(name, await timed(run)));
  }
}

function signIn(): () => Promise<unknown> {
  const clock = systemClock;
  const sessions = createSessionCache(clock, { mostEntries: 10, lifeMs: 3_600_000 });
  const token = newSessionToken();
  sessions.keep(sessions.mark(), tokenHash(token), {
    kind: "session",
    appId: "a",
    id: "s",
    userId: "u",
    userKind: UserKind.ORDINARY,
    usedMs: clock.now(),
    expireMs: clock.now() + 3_600_000,
  });
  const ctx = { sessions, clock } as unknown as Ctx;
  const proof = { authorization: `Bearer ${token}`, actingUserId: undefined, origin: undefined };
  return () => authenticate(ctx, proof);
}

function validate(request: ReturnType<typeof create<typeof SendMessageRequestSchema>>): () => unknown {
  const validator = createValidator();
  return () => validator.validate(SendMessageRequestSchema, request);
}

function countCall(): () => void {
  const metrics = createMetrics({ process: false });
  const labels = { method: `${MessageService.typeName}/SendMessage`, code: "ok" };
  return () => {
    metrics.rpcs.inc(labels);
    metrics.rpcSeconds.observe(labels, 0.001);
  };
}

function logCall(): () => void {
  const logger = createLogger("info");
  return () => logger.debug({ method: "SendMessage" }, "call refused");
}

function afterwards({ kind, pos, payload }: LogEvent): [string, () => unknown][] {
  const schema = SendMessageResponseSchema;
  const cursor = () => encodeCursor("a", { generationId: "0123456789abcdef", pos });
  return [
    [
      "the event's cursor and frame, once for all streams",
      () => encodeEvent(kind, pos, cursor(), payload).frame("binary"),
    ],
    ["the answer", () => toBinary(schema, sentAnswer(schema, { payload, deduplicated: false }, true))],
  ];
}

/** The cost of one message in commits of so many, on the disk that the bench uses. */
async function commits(batch: number, send: (pair: number) => ReturnType<typeof finishSend>, newId: () => string) {
  using folder = makeWorkFolder();
  const store = await openSqlite({ dataDir: join(folder.path, "data"), busyTimeoutMs: 50 });
  let events: readonly LogEvent[] = [];
  const committer = createCommitter({
    write: store.write,
    writing: store.writing,
    room: store.room,
    batchItems: LIMITS.commitBatchItems,
    queueItems: LIMITS.commitQueueItems,
    now: Date.now,
    onCommit: (range) => {
      events = range.events;
    },
    onFatal: (error) => {
      throw error;
    },
    onBatch: () => undefined,
  });
  const count = Math.max(batch * 20, Math.min(SENDS, batch * 1_000));
  try {
    await committer.run("a", async (tx) => {
      for (let pair = 0; pair < PAIRS; pair += 1)
        for (const role of ["sender", "receiver"])
          await insertUser(tx, {
            user_id: `${role}-${pair}`,
            kind: UserKind.ORDINARY,
            display_name: "",
            avatar_url: "",
            attributes: null,
          });
    });
    const rules = { allowStrangerMessages: true };
    const jobs = Array.from({ length: count }, (_, at) => ({
      sends: [send(at % PAIRS)],
      rules,
      newId,
      heard: () => [],
    }));
    const run = async (from: number, to: number) => {
      for (let at = from; at < to; at += batch)
        await Promise.all(jobs.slice(at, at + batch).map((job) => committer.submit("a", storeSends, job)));
    };
    const warm = Math.floor(count / 4 / batch) * batch;
    await run(0, warm);
    const began = process.cpuUsage();
    await run(warm, count);
    return { micros: since(began) / (count - warm), events };
  } finally {
    await committer.close();
    await store.close();
  }
}

async function timed(run: () => unknown): Promise<number> {
  for (let at = 0; at < CALLS / 2; at += 1) await run();
  const began = process.cpuUsage();
  for (let at = 0; at < CALLS; at += 1) await run();
  return since(began) / CALLS;
}

function since(began: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(began);
  return user + system;
}

/** Ids that rise, as those of the server and of the SDK do. */
function ids(): () => string {
  let made = 0;
  return () => `01a2-${String(++made).padStart(31, "0")}`;
}

const line = (name: string, micros: number): string => `${micros.toFixed(2).padStart(8)}  ${name}`;
