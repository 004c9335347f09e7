import { fileURLToPath } from "node:url";
import { cors } from "@connectrpc/connect";
import { v7 as uuidv7 } from "uuid";
import type { Settings } from "./config.js";
import { createDelivery, type Delivery } from "./delivery/delivery.js";
import { createMemoryBus } from "./delivery/memory-bus.js";
import { announcePresence } from "./domain/announce-presence.js";
import { createAppCache } from "./domain/apps.js";
import type { Ctx } from "./domain/context.js";
import { createPasswords } from "./domain/passwords.js";
import { startRetention } from "./domain/retention.js";
import { createSecretBox } from "./domain/secret-box.js";
import { createSessionCache } from "./domain/session-cache.js";
import { createTokenBuckets } from "./domain/token-buckets.js";
import { createTransientMemory } from "./domain/transient-memory.js";
import { createCors } from "./http/cors.js";
import type { HttpHandler } from "./http/message.js";
import { createRouter, notFound } from "./http/router.js";
import { loadStaticFiles } from "./http/static-files.js";
import { LIMITS, type Limits, TIMES, type Times } from "./limits.js";
import type { Clock } from "./ops/clock.js";
import type { Logger } from "./ops/logger.js";
import { createMetrics } from "./ops/metrics.js";
import { createSafeFetch } from "./ops/safe-fetch.js";
import { createAddressOf } from "./rpc/client-address.js";
import { createFunnel } from "./rpc/funnel.js";
import { addHealth, createHealthBoard } from "./rpc/health.js";
import { addReflection, fileDescriptorSet } from "./rpc/reflection.js";
import { createRpcHandler, SERVICES } from "./rpc/router.js";
import { subscribeHandler } from "./rpc/subscribe.js";
import { persistAckedPositions } from "./store/acks.js";
import { createCommitter } from "./store/committer.js";
import type { StoreError } from "./store/errors.js";
import type { Store } from "./store/sqlite.js";
import { listOnlineUsers } from "./store/users.js";

/** Everything but the port and the disk: what a process needs of the outside comes in here. */
export interface AppOptions {
  settings: Settings;
  store: Store;
  clock: Clock;
  logger: Logger;
  secretKey: Buffer;
  operatorTokenHash: Buffer;
  version: string;
  /** For tests: other limits and times than the table's. */
  limits?: Partial<Limits> | undefined;
  times?: Partial<Times> | undefined;
  /** Off, plain unary calls go through Connect like all others. */
  fastUnary?: boolean | undefined;
  onFatal(error: StoreError): void;
}

export interface App {
  ctx: Ctx;
  handler: HttpHandler;
  /** Tells health checks that the server takes calls. */
  ready(): void;
  /** Sends streams away and tells health checks so. */
  drain(): void;
  /** Finishes what is queued. The store is the caller's to close. */
  close(): Promise<void>;
}

/** The composition root: the one place where parts are made and joined. */
export async function createApp(options: AppOptions): Promise<App> {
  const { settings, store, clock, logger } = options;
  const limits: Limits = { ...LIMITS, ...options.limits };
  const times: Times = { ...TIMES, ...options.times };
  const metrics = createMetrics();
  const bus = createMemoryBus();
  const committer = createCommitter({
    write: store.write,
    batchItems: limits.commitBatchItems,
    queueItems: limits.commitQueueItems,
    now: clock.now,
    onCommit: bus.publish,
    onFatal: options.onFatal,
    onBatch(items, seconds) {
      metrics.commitBatchSize.observe(items);
      metrics.commitSeconds.observe(seconds);
    },
  });
  const report = (error: unknown) => logger.error({ err: error }, "a background task failed");
  const delivery: Delivery = createDelivery({
    read: store.read,
    bus,
    clock,
    limits,
    times,
    logger,
    metrics,
    onPresence: (change) => void announcePresence(ctx, change).catch(report),
    persistAcks: (appId, acked) => committer.run(appId, (tx) => persistAckedPositions(tx, acked)),
  });
  const ctx: Ctx = {
    read: store.read,
    committer,
    bus,
    presence: delivery.presence,
    tail: delivery.tail,
    clock,
    limits,
    times,
    sendsPerSecond: settings.sendRate,
    apps: createAppCache(store.read),
    sessions: createSessionCache(clock, { mostEntries: limits.cachedSessions, lifeMs: times.sessionCacheMs }),
    buckets: createTokenBuckets(clock),
    transients: createTransientMemory(clock, times.transientDedupMs),
    secrets: createSecretBox(options.secretKey),
    passwords: createPasswords(),
    fetch: createSafeFetch({
      allowedNetworks: settings.privateFetch,
      mostBytes: limits.fetchedBytes,
      timeoutMs: times.fetchMs,
    }),
    operatorTokenHash: options.operatorTokenHash,
    version: options.version,
    newId: uuidv7,
  };
  delivery.remember(await listOnlineUsers(store.read));
  const retention = startRetention(ctx, logger, {
    intervalMs: times.retentionIntervalMs,
    force: settings.retentionForce,
    onFloor: delivery.hub.raiseFloor,
  });
  const health = createHealthBoard(SERVICES.map((service) => service.typeName));
  const funnel = createFunnel({ ctx, logger, metrics });
  let draining = false;
  const rpc = createRpcHandler({
    ctx,
    funnel,
    subscribe: subscribeHandler({ ctx, funnel, hub: delivery.hub, streams: delivery.streams }),
    extra(router) {
      addHealth(router, health);
      addReflection(router, SERVICES);
    },
    fallback: notFound,
    onError: (error, method) => logger.error({ err: error, method: method.name }, "a call could not be answered"),
    requestBytes: limits.requestBytes,
    responseBytes: limits.responseBytes,
    compressMinBytes: limits.compressMinBytes,
    maxTimeoutMs: times.unaryMaxMs,
    addressOf: createAddressOf(settings.trustedProxies),
    fastUnary: options.fastUnary ?? true,
  });
  const descriptor = fileDescriptorSet(SERVICES);
  const handler = createRouter({
    rpc,
    cors: createCors({ origins: settings.corsOrigins, ...cors, maxAgeSeconds: 7200 }),
    files: await loadStaticFiles(fileURLToPath(new URL("../../web/dist", import.meta.url))),
    descriptor: () => descriptor,
    metrics,
    draining: () => draining,
    maxUrlBytes: limits.urlBytes,
    log: logger,
  });
  return {
    ctx,
    handler,
    ready: () => health.setServing(true),
    drain() {
      draining = true;
      health.setServing(false);
      delivery.hub.drain(times.drainMs);
    },
    async close() {
      await retention.close();
      await delivery.close();
      await committer.close();
    },
  };
}
