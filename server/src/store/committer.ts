import { randomBytes } from "node:crypto";
import { sql } from "kysely";
import type { LogEvent, LogRange, NewEvent } from "../ports.js";
import { bulkInsert } from "./bulk.js";
import { compiledQuery } from "./compiled.js";
import { StoreError, storeErrorOf } from "./errors.js";
import type { Room } from "./room.js";
import type { Db } from "./schema.js";
import type { Generation, Writing } from "./store.js";

/** The right to write: only the committer makes one, inside its transaction, with the app's counter held. */
export interface Tx {
  readonly db: Db;
  readonly appId: string;
  readonly nowMs: number;
  /** The position of the newest event of the app, of this transaction's own too. */
  head(): number;
  /** Adds an event and gives its position. */
  emit(event: NewEvent): number;
  /** Runs once the transaction is durable, before any caller is answered. It must not throw. */
  afterCommit(effect: () => void): void;
}

/** What became of one item: its answer, or the error that undid it alone. */
export type Outcome<O> = { ok: true; value: O } | { ok: false; error: unknown };

/** Writes a run of items of one app together; each has its own outcome. What it throws undoes the whole run. */
export type RunHandler<I, O> = (tx: Tx, items: readonly I[]) => Promise<readonly Outcome<O>[]>;

export interface Committer {
  /** Queues an item. Consecutive items of one app with the same handler are written as one run. Answers once it is durable. `weight` is the number of rows it stands for. */
  submit<I, O>(appId: string, handler: RunHandler<I, O>, item: I, weight?: number): Promise<O>;
  /** Queues work of its own; what it throws undoes it alone. What `frees` space is written even when the disk is full. */
  run<T>(appId: string, work: (tx: Tx) => Promise<T>, options?: { frees?: boolean }): Promise<T>;
  /** Waits for what is queued and takes no more. */
  close(): Promise<void>;
}

export interface CommitterOptions {
  write: Db;
  writing: Writing;
  room: Room;
  batchItems: number;
  queueItems: number;
  now(): number;
  /** Told of every range in commit order, in the tick of the commit and before any caller is answered. */
  onCommit(range: LogRange): void;
  /** Told when the store can no longer be trusted; the process must stop. */
  onFatal(error: StoreError): void;
  onBatch(items: number, seconds: number): void;
}

interface Intent {
  appId: string;
  handler: RunHandler<unknown, unknown>;
  item: unknown;
  weight: number;
  /** It makes room on a full disk. */
  frees: boolean;
  resolve(value: unknown): void;
  reject(error: unknown): void;
}

/** One app's part of the open transaction. */
interface AppLog {
  head: number;
  headBefore: number;
  events: LogEvent[];
  generation: Generation;
  /** "now": with the log itself, which begins here; "later": with the first event that belongs to it. */
  generationStored: "yes" | "now" | "later";
  /** Something was done under the app's id: what failed alone begins no log. */
  used: boolean;
}

/** What a transaction has written, to be told once it is durable. */
interface Written {
  answers: Outcome<unknown>[];
  logs: Map<string, AppLog>;
  effects: (() => void)[];
}

/** How often a batch is written that another node keeps from being written, and the pause before it is written again. */
const MOST_TRIES = 5;
const PAUSE_MS = { least: 10, most: 100 };

const commit = compiledQuery(() => sql`commit`);
const beginRun = compiledQuery(() => sql`savepoint run`);
const keepRun = compiledQuery(() => sql`release run`);
const undoRun = compiledQuery(() => sql`rollback to run`);
const raiseHead = compiledQuery((db) => db.updateTable("app_log").set({ pos: 0 }).where("app_id", "=", ""));

const insertEvents = bulkInsert("event", ["app_id", "pos", "kind", "create_ms", "audiences", "payload"]);
const insertAudiences = bulkInsert("audience", ["app_id", "audience", "pos"]);

/** Makes the one writer: whatever waits is written in one transaction with one fsync (group commit), then everyone is answered. */
export function createCommitter(options: CommitterOptions): Committer {
  const queue: Intent[] = [];
  // The generation that is written for each app, as long as the history of the database is the same.
  const generations = new Map<string, Generation>();
  let history: string | undefined;
  let queuedWeight = 0;
  let draining: Promise<void> | undefined;
  let closed = false;

  const submit = <I, O>(appId: string, handler: RunHandler<I, O>, item: I, weight = 1, frees = false): Promise<O> => {
    if (closed) return Promise.reject(new StoreError("closed"));
    if (queuedWeight >= options.queueItems) return Promise.reject(new StoreError("overloaded"));
    return new Promise<O>((resolve, reject) => {
      queue.push({
        appId,
        handler: handler as RunHandler<unknown, unknown>,
        item,
        weight,
        frees,
        resolve: resolve as (value: unknown) => void,
        reject,
      });
      queuedWeight += weight;
      draining ??= drain();
    });
  };

  const take = (): Intent[] => {
    const batch = queue.splice(0, batchLength(queue, options.batchItems));
    for (const { weight } of batch) queuedWeight -= weight;
    return batch;
  };

  /** While the disk is full only what frees space goes on; all else is refused without touching it. */
  const admit = (batch: Intent[]): Intent[] => {
    if (options.room.isThere()) return batch;
    for (const intent of batch) if (!intent.frees) intent.reject(new StoreError("full"));
    return batch.filter((intent) => intent.frees);
  };

  /** Takes no more: what the store holds can no longer be told, so only a new start may answer. */
  const stop = (failure: StoreError) => {
    closed = true;
    for (const intent of queue.splice(0)) intent.reject(failure);
    options.onFatal(failure);
  };

  const tend = (work: () => void) => {
    try {
      work();
    } catch (error) {
      stop(new StoreError("fatal", { cause: error }));
    }
  };

  const drain = async (): Promise<void> => {
    // One turn of the event loop lets everything that has arrived join the batch, and timers run between batches.
    for (;;) {
      await nextTurn();
      if (queue.length === 0) break;
      const batch = admit(take());
      if (batch.length > 0) await commitBatch(batch);
    }
    draining = undefined;
  };

  const commitBatch = async (batch: Intent[]): Promise<void> => {
    const began = performance.now();
    let written: Written;
    try {
      written = await writeBatch(batch);
    } catch (error) {
      const failure = storeErrorOf(error);
      for (const intent of batch) intent.reject(failure ?? error);
      if (failure?.kind === "full") tend(options.room.lost);
      if (failure?.kind === "fatal") stop(failure);
      return;
    }
    const { answers, logs, effects } = written;
    for (const [appId, log] of logs) if (log.generationStored === "yes") generations.set(appId, log.generation);
    try {
      for (const effect of effects) effect();
      publish(logs);
    } catch (error) {
      // It is durable, but this process no longer knows what it has told whom: those who ask again after a new start are told right.
      const failure = new StoreError("fatal", { cause: error });
      for (const intent of batch) intent.reject(failure);
      stop(failure);
      return;
    }
    options.onBatch(batch.length, (performance.now() - began) / 1000);
    batch.forEach((intent, at) => {
      const answer = answers[at];
      if (answer === undefined) intent.reject(new Error("a run handler gave too few outcomes"));
      else if (answer.ok) intent.resolve(answer.value);
      else intent.reject(answer.error);
    });
    tend(options.room.tend);
  };

  /** Writes a batch in one transaction, and again when another node has come between: of the try before nothing is left. */
  const writeBatch = async (batch: Intent[]): Promise<Written> => {
    for (let tries = 1; ; tries++) {
      try {
        return await options.write.connection().execute((db) => writeOnce(db, batch));
      } catch (error) {
        if (tries === MOST_TRIES || storeErrorOf(error)?.kind !== "conflict") throw error;
        await pause();
      }
    }
  };

  const writeOnce = async (db: Db, batch: Intent[]): Promise<Written> => {
    const { writing } = options;
    const written: Written = { answers: [], logs: new Map(), effects: [] };
    await writing.begin(db);
    try {
      if (history !== writing.history()) generations.clear();
      history = writing.history();
      const heads = await writing.lockLogs(db, [...new Set(batch.map(({ appId }) => appId))].sort());
      await writeRuns(db, batch, heads, written);
      await writeLogs(db, written.logs, history, options.now());
      await commit(db);
      return written;
    } catch (error) {
      await sql`rollback`.execute(db).catch(() => undefined);
      throw error;
    }
  };

  const publish = (logs: ReadonlyMap<string, AppLog>) => {
    for (const [appId, { events, generation }] of logs) {
      if (events.length === 0) continue;
      const { generation_id: generationId, first_pos: generationFirstPos } = generation;
      options.onCommit({ appId, generationId, generationFirstPos, events });
    }
  };

  const writeRuns = async (
    db: Db,
    batch: Intent[],
    heads: ReadonlyMap<string, number>,
    { answers, logs, effects }: Written,
  ): Promise<void> => {
    for (let at = 0; at < batch.length; ) {
      const first = batch[at] as Intent;
      const { appId } = first;
      let end = at + 1;
      while (end < batch.length && batch[end]?.appId === appId && batch[end]?.handler === first.handler) end++;
      const items = batch.slice(at, end).map((intent) => intent.item);
      let log = logs.get(appId);
      if (log === undefined) {
        log = await openLog(db, appId, heads.get(appId));
        logs.set(appId, log);
      }
      answers.push(...(await writeRun(db, first, items, log, effects)));
      at = end;
    }
  };

  const openLog = async (db: Db, appId: string, head: number | undefined): Promise<AppLog> => {
    const pos = head ?? 0;
    const known =
      head === undefined ? undefined : (generations.get(appId) ?? (await options.writing.findGeneration(db, appId)));
    // The first generation holds position 0 too: the place before the first event.
    const generation = known ?? { generation_id: newGenerationId(), first_pos: head === undefined ? 0 : pos + 1 };
    const generationStored = known !== undefined ? "yes" : head === undefined ? "now" : "later";
    return { head: pos, headBefore: pos, events: [], generation, generationStored, used: false };
  };

  const writeRun = async (
    db: Db,
    { appId, handler }: Intent,
    items: unknown[],
    log: AppLog,
    effects: (() => void)[],
  ): Promise<Outcome<unknown>[]> => {
    const [head, eventCount] = [log.head, log.events.length];
    const effectCount = effects.length;
    const tx = openTx(db, appId, options.now(), log, effects);
    await beginRun(db);
    try {
      const outcomes = [...(await handler(tx, items))];
      await keepRun(db);
      log.used = true;
      return outcomes;
    } catch (error) {
      if (storeErrorOf(error) !== undefined) throw error;
      await undoRun(db);
      await keepRun(db);
      log.head = head;
      log.events.length = eventCount;
      effects.length = effectCount;
      if (items.length === 1) return [{ ok: false, error }];
    }
    // Something in the run broke it: write one by one, so that only the one at fault fails.
    const outcomes: Outcome<unknown>[] = [];
    for (const item of items)
      outcomes.push(...(await writeRun(db, { appId, handler } as Intent, [item], log, effects)));
    return outcomes;
  };

  return {
    submit,
    run: <T>(appId: string, work: (tx: Tx) => Promise<T>, { frees = false } = {}) =>
      submit<undefined, T>(appId, async (tx) => [{ ok: true, value: await work(tx) }], undefined, 1, frees),
    async close() {
      closed = true;
      await draining;
    },
  };
}

function batchLength(queue: readonly Intent[], most: number): number {
  let length = 0;
  for (let weight = 0; length < queue.length && weight < most; length++) weight += queue[length]?.weight ?? 1;
  return length;
}

function openTx(db: Db, appId: string, nowMs: number, log: AppLog, effects: (() => void)[]): Tx {
  return {
    db,
    appId,
    nowMs,
    head: () => log.head,
    emit(event) {
      log.head += 1;
      log.events.push({ ...event, pos: log.head });
      return log.head;
    },
    afterCommit: (effect) => void effects.push(effect),
  };
}

function newGenerationId(): string {
  return randomBytes(8).toString("hex");
}

async function writeLogs(db: Db, logs: Map<string, AppLog>, history: string, nowMs: number): Promise<void> {
  for (const [appId, log] of logs) {
    const wrote = log.head !== log.headBefore;
    if (log.generationStored === "now") {
      if (!log.used) continue;
      await db.insertInto("app_log").values({ app_id: appId, pos: 0, floor_pos: 0 }).execute();
    }
    // A generation is stored with an event of its own, so that no two begin at the same position.
    if (log.generationStored === "now" || (log.generationStored === "later" && wrote)) {
      await db
        .insertInto("generation")
        .values({ app_id: appId, ...log.generation, history })
        .execute();
      log.generationStored = "yes";
    }
    if (!wrote) continue;
    await raiseHead(db, [log.head, appId]);
    await insertEvents(
      db,
      log.events.map((e) => ({
        app_id: appId,
        pos: e.pos,
        kind: e.kind,
        create_ms: nowMs,
        audiences: e.audiences.join("\n"),
        payload: e.payload,
      })),
    );
    await insertAudiences(
      db,
      log.events.flatMap((e) => e.audiences.map((audience) => ({ app_id: appId, audience, pos: e.pos }))),
    );
  }
}

function pause(): Promise<void> {
  const ms = PAUSE_MS.least + Math.random() * (PAUSE_MS.most - PAUSE_MS.least);
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
