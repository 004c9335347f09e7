import { fileURLToPath } from "node:url";
import { cors } from "@connectrpc/connect";
import { v7 as uuidv7 } from "uuid";
import { createBus, openBlobs } from "./backends.js";
import type { Settings } from "./config.js";
import { createDelivery, type Delivery } from "./delivery/delivery.js";
import { createKeeping } from "./delivery/keeping.js";
import type { NodeLease } from "./delivery/node-lease.js";
import { createAppCache } from "./domain/apps.js";
import { createHeardAttachments } from "./domain/attachments/heard.js";
import { ATTACHMENTS_PATH, createSignedUrls } from "./domain/attachments/signed-urls.js";
import { createTransfers } from "./domain/attachments/transfers.js";
import { createTurns } from "./domain/attachments/turns.js";
import { createAuditLog } from "./domain/audit/audit-log.js";
import type { Ctx } from "./domain/context.js";
import { countUnreadTotal } from "./domain/conversations.js";
import { createWordFilters } from "./domain/filter/word-filters.js";
import { createGate } from "./domain/gate.js";
import { createOutwardGate } from "./domain/outward-gate.js";
import { createPasswords } from "./domain/passwords.js";
import { createPresenceAnnouncer } from "./domain/presence-announcer.js";
import type { PresenceChange } from "./domain/presence-events.js";
import { createSecretBox } from "./domain/secret-box.js";
import { createSessionCache } from "./domain/session-cache.js";
import { createSharedAnnouncer } from "./domain/shared-announcer.js";
import { createStatistics } from "./domain/statistics/statistics.js";
import { createTokenBuckets } from "./domain/token-buckets.js";
import { createTransientMemory } from "./domain/transient-memory.js";
import { createAttachmentsHandler } from "./http/attachments.js";
import { createCors } from "./http/cors.js";
import { answerError, type HttpHandler } from "./http/message.js";
import { createNotFound, createRouter } from "./http/router.js";
import { loadStaticFiles } from "./http/static-files.js";
import { createDuties } from "./keeper.js";
import { LIMITS, type Limits, SHARED_TIMES, TIMES, type Times } from "./limits.js";
import { createNode } from "./node.js";
import type { Clock } from "./ops/clock.js";
import { createImageReader } from "./ops/images.js";
import { createLoad } from "./ops/load.js";
import type { Logger } from "./ops/logger.js";
import { createMetrics, type Metrics } from "./ops/metrics.js";
import { createSafeFetch } from "./ops/safe-fetch.js";
import { createStamps } from "./ops/stamps.js";
import type { PortErrors, PushSender } from "./ports.js";
import { createPushing } from "./push/pushing.js";
import { startRenewals } from "./push/renewals.js";
import { createPushSender } from "./push/sender.js";
import { createAudit } from "./rpc/audited.js";
import { createAddressOf } from "./rpc/client-address.js";
import { createFunnel } from "./rpc/funnel.js";
import { addHealth, createHealthBoard } from "./rpc/health.js";
import { createPortErrors } from "./rpc/port-errors.js";
import { addReflection, fileDescriptorSet } from "./rpc/reflection.js";
import { createRpcHandler, SERVICES } from "./rpc/router.js";
import { createStreamPlaces } from "./rpc/stream-places.js";
import { createSubscribe } from "./rpc/subscribe.js";
import { createTransferErrors } from "./rpc/transfer-errors.js";
import { persistAckedPositions } from "./store/acks.js";
import { createCommitter } from "./store/committer.js";
import type { StoreError } from "./store/errors.js";
import { createLeases } from "./store/leases.js";
import { probe } from "./store/probe.js";
import type { Store } from "./store/store.js";
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
  /** Where the console gateway of SMS prints. */
  print(text: string): void;
  /** For tests: what Apple's certificate is checked with, in PEM, instead of the well-known authorities. */
  pushCa?: string | undefined;
  /** For tests: another way out to the push providers. */
  pushSender?: PushSender | undefined;
  onFatal(error: StoreError): void;
}

export interface App {
  ctx: Ctx;
  handler: HttpHandler;
  metrics: Metrics;
  /** How the port tells errors of its own. */
  portErrors: PortErrors;
  /** Whether clients are served here, and not better by another node. */
  mayServe(): boolean;
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
  // SQLite is one process's own; nodes share PostgreSQL, be it that there is only one of them.
  const shared = store.dialect === "postgres";
  const times: Times = { ...TIMES, ...(shared && SHARED_TIMES), ...options.times };
  const secrets = createSecretBox(options.secretKey);
  const blobs = await openBlobs(settings, { shared, secrets, times, logger });
  const metrics = createMetrics();
  const bus = createBus(settings, { rangeBytes: limits.busRangeBytes, clock, logger, metrics });
  const committer = createCommitter({
    write: store.write,
    writing: store.writing,
    room: store.room,
    batchItems: limits.commitBatchItems,
    queueItems: limits.commitQueueItems,
    now: createStamps(clock),
    onCommit: bus.publish,
    onFatal: options.onFatal,
    onBatch(items, seconds) {
      metrics.commitBatchSize.observe(items);
      metrics.commitSeconds.observe(seconds);
    },
  });
  const report = (error: unknown) => logger.error({ err: error }, "a background task failed");
  const statistics = createStatistics({ read: store.read, committer, clock, times, bus, shared }, report);
  const apps = createAppCache(store.read, clock, times.recordCacheMs);
  const leases = createLeases(store);
  let lease: NodeLease | undefined;
  const announcing = { read: store.read, bus, committer, apps, clock, times };
  const announcer = shared ? createSharedAnnouncer(announcing, report) : createPresenceAnnouncer(announcing, report);
  const onPresence = (change: PresenceChange) => {
    announcer.announce(change);
    statistics.presence(change);
  };
  const transients = createTransientMemory(clock, times.transientDedupMs);
  const delivery: Delivery = createDelivery({
    read: store.read,
    bus,
    clock,
    limits,
    times,
    logger,
    metrics,
    sharing: shared ? { committer, leases, node: () => lease?.node(), newId: uuidv7 } : undefined,
    isNew: transients.isNew,
    onPresence,
    persistAcks: (appId, acked) => committer.run(appId, (tx) => persistAckedPositions(tx, acked)),
  });
  const ownSender = await createPushSender({
    read: store.read,
    unseal: secrets.open,
    clock,
    logger,
    limits,
    times,
    apnsUrl: settings.apnsUrl,
    fcmUrl: settings.fcmUrl,
    ca: options.pushCa,
  });
  const pushSender = options.pushSender ?? ownSender;
  const pushing = createPushing({
    read: store.read,
    committer,
    bus,
    clock,
    limits,
    times,
    logger,
    metrics,
    sender: pushSender,
    presence: delivery.presence,
    mayPush: () => lease?.keeps() ?? !shared,
    pollMs: shared ? times.headPollMs : undefined,
    unreadOf: (appId, userId) => countUnreadTotal(store, { appId, userId }),
  });
  const ctx: Ctx = {
    read: store.read,
    longRead: store.longRead,
    committer,
    bus,
    presence: delivery.presence,
    pushes: pushing,
    tail: delivery.tail,
    statistics,
    shared,
    clock,
    limits,
    times,
    sendsPerSecond: settings.sendRate,
    apps,
    filters: createWordFilters(store.read, clock, times.recordCacheMs),
    sessions: createSessionCache(clock, { mostEntries: limits.cachedSessions, lifeMs: times.sessionCacheMs }),
    buckets: createTokenBuckets(clock),
    transients,
    secrets,
    passwords: createPasswords(),
    fetch: createSafeFetch({
      allowedNetworks: settings.privateFetch,
      mostBytes: limits.fetchedBytes,
      timeoutMs: times.fetchMs,
    }),
    outward: createOutwardGate({
      atOnce: limits.outwardCallsPerApp,
      queue: limits.outwardQueuePerApp,
      retryDelayMs: times.fetchMs,
    }),
    print: options.print,
    pushSender,
    pushCredentials: ownSender,
    blobs,
    urls: createSignedUrls(options.secretKey),
    heard: createHeardAttachments({
      bus,
      clock,
      lifeMs: times.transientAttachmentMs,
      mostEntries: limits.transientAttachments,
    }),
    turns: createTurns(),
    images: createImageReader({
      mostPixels: limits.imagePixels,
      sidePixels: limits.thumbnailSidePixels,
      timeoutMs: times.thumbnailMs,
      onMissing: (error) => logger.warn({ err: error }, "images get no thumbnails: sharp cannot be loaded here"),
    }),
    imageGate: createGate({ atOnce: 1, queue: limits.imagesWaiting, retryDelayMs: 1000 }),
    operatorTokenHash: options.operatorTokenHash,
    publicUrl: settings.publicUrl,
    version: options.version,
    newId: uuidv7,
  };
  const online = shared ? [] : await listOnlineUsers(store.read);
  delivery.remember(online);
  await statistics.start(online);
  const duties = createDuties({
    ctx,
    logger,
    pushing,
    retentionForce: settings.retentionForce,
    onFloor: delivery.hub.raiseFloor,
    sharing: shared ? { leases, lease: () => lease, onPresence } : undefined,
  });
  const keeping = createKeeping(duties, clock, report);
  const health = createHealthBoard(SERVICES.map((service) => service.typeName));
  const load = createLoad({
    clock,
    windowMs: times.loadWindowMs,
    busyMs: limits.eventLoopBusyMs,
    letInPerSecond: limits.letInPerSecond,
    returnsPerSecond: limits.returnsPerSecond,
    floodedMs: limits.eventLoopFloodedMs,
  });
  const auditLog = createAuditLog(ctx, logger);
  const funnel = createFunnel({ ctx, logger, metrics, load });
  const portErrors = createPortErrors({
    newId: ctx.newId,
    urlBytes: limits.urlBytes,
    headerBytes: limits.headerBytes,
  });
  let serving = false;
  let draining = false;
  const rpc = createRpcHandler({
    ctx,
    funnel,
    audit: createAudit(ctx, auditLog),
    subscribe: createSubscribe({
      ctx,
      funnel,
      hub: delivery.hub,
      streams: delivery.streams,
      places: createStreamPlaces(limits),
    }),
    extra(router) {
      addHealth(router, health);
      addReflection(router, SERVICES);
    },
    fallback: createNotFound(portErrors),
    internal: (request, response) => answerError(request, response, portErrors, "internal"),
    onError: (error, method, requestId) =>
      logger.error({ err: error, method: method.name, requestId }, "a call could not be answered"),
    requestBytes: limits.requestBytes,
    responseBytes: limits.responseBytes,
    compressMinBytes: limits.compressMinBytes,
    maxTimeoutMs: times.unaryMaxMs,
    addressOf: createAddressOf(settings.trustedProxies),
    fastUnary: options.fastUnary ?? true,
  });
  const notReady = async () => {
    if (draining) return "draining";
    if (!delivery.streams.mayOpen()) return "the store has not been reached for too long";
    if (load.level() !== "calm") return "overloaded";
    return await probe(store.read).then(
      () => undefined,
      () => "the store cannot be read",
    );
  };
  const descriptor = fileDescriptorSet(SERVICES);
  const handler = createRouter({
    rpc,
    prefixes: {
      [ATTACHMENTS_PATH]: createAttachmentsHandler({
        transfers: {
          ...createTransfers(ctx),
          refusal: createTransferErrors(ctx.newId, (error, requestId) =>
            logger.error({ err: error, requestId }, "a transfer of an attachment failed"),
          ),
        },
        stallBytes: limits.uploadStallBytes,
        stallMs: times.uploadStallMs,
        readerStallMs: times.downloadStallMs,
      }),
    },
    cors: createCors({ origins: settings.corsOrigins, ...cors, maxAgeSeconds: 7200 }),
    files: await loadStaticFiles(
      fileURLToPath(new URL("../../web/dist", import.meta.url)),
      settings.s3?.publicUrl?.origin,
    ),
    descriptor: () => descriptor,
    metrics: {
      contentType: metrics.contentType,
      async text() {
        await delivery.hub.measure();
        metrics.pushBreakers.set(pushing.openBreakers());
        return await metrics.text();
      },
    },
    notReady,
    maxUrlBytes: limits.urlBytes,
    errors: portErrors,
    log: logger,
  });
  const renewals = shared
    ? startRenewals({
        renew: ownSender.renew,
        onSet: pushing.credentialChanged,
        clock,
        everyMs: times.recordCacheMs,
        logger,
      })
    : undefined;
  if (shared) {
    lease = createNode({
      leases,
      store,
      times,
      logger,
      metrics,
      delivery,
      keeping,
      setServing: (may) => health.setServing(may && serving && !draining),
    });
    await lease.start();
  } else {
    metrics.keeper.set(1);
    await duties.start();
  }
  return {
    ctx,
    handler,
    metrics,
    portErrors,
    mayServe: delivery.streams.mayOpen,
    ready() {
      serving = true;
      health.setServing(true);
    },
    drain() {
      draining = true;
      health.setServing(false);
      delivery.hub.drain(times.drainMs);
    },
    async close() {
      load.close();
      renewals?.close();
      lease?.retire();
      await keeping.settled();
      if (!shared) await duties.stop();
      await pushing.close();
      await delivery.close();
      await announcer.settled();
      await statistics.close();
      await auditLog.close();
      await committer.close();
      await lease?.close();
      await bus.close();
    },
  };
}
