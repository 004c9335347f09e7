import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";

export type Metrics = ReturnType<typeof createMetrics>;

const secondsBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

/**
 * Every metric of the server is declared here and nowhere else. Labels are bounded sets: never a user, app or conversation.
 * Event loop delay comes with the process metrics (`nodejs_eventloop_lag_p99_seconds` and siblings).
 */
export function createMetrics(options: { readonly process: boolean } = { process: true }) {
  const registry = new Registry();
  const registers = [registry];
  if (options.process) collectDefaultMetrics({ register: registry });

  return {
    rpcs: new Counter({
      name: "parley_rpc_total",
      help: "The finished calls, streams included, by method (package.Service/Method) and Connect code.",
      labelNames: ["method", "code"] as const,
      registers,
    }),
    rpcSeconds: new Histogram({
      name: "parley_rpc_duration_seconds",
      help: "The time from request headers to answer of unary calls, by method and Connect code.",
      labelNames: ["method", "code"] as const,
      buckets: secondsBuckets,
      registers,
    }),
    shed: new Counter({
      name: "parley_shed_total",
      help: "The calls that were put off because the event loop was behind its work, by method.",
      labelNames: ["method"] as const,
      registers,
    }),
    commitBatchSize: new Histogram({
      name: "parley_commit_batch_size",
      help: "The number of writes taken together in one transaction.",
      buckets: [1, 2, 4, 8, 16, 32, 64, 128, 256],
      registers,
    }),
    commitSeconds: new Histogram({
      name: "parley_commit_duration_seconds",
      help: "The time of one write transaction, fsync included.",
      buckets: secondsBuckets,
      registers,
    }),
    watermarkLag: new Gauge({
      name: "parley_watermark_lag_positions",
      help: "The largest distance of any app between the head of its log and what this node has delivered up to.",
      registers,
    }),
    logRepairs: new Counter({
      name: "parley_log_repairs_total",
      help: "The times events that the bus did not bring, or not in time, were read from the store.",
      registers,
    }),
    heldEvents: new Gauge({
      name: "parley_held_events",
      help: "The events that came before an earlier one and wait for it, of all apps.",
      registers,
    }),
    keeper: new Gauge({
      name: "parley_keeper",
      help: "The node that does for all what one does (pushes, retention, counts): 1 when it is this one.",
      registers,
    }),
    busUp: new Gauge({
      name: "parley_bus_up",
      help: "The bus: 1 while this node hears the other nodes or has none, 0 while it finds what they write by looking into the store.",
      registers,
    }),
    busDropped: new Counter({
      name: "parley_bus_dropped_total",
      help: "The publications that were not sent to the other nodes: the bus was down, they were too large for it, or sending failed.",
      labelNames: ["reason"] as const,
      registers,
    }),
    busIgnored: new Counter({
      name: "parley_bus_ignored_total",
      help: "The messages of the bus that were not understood: of another version, as during an upgrade, or malformed.",
      labelNames: ["reason"] as const,
      registers,
    }),
    sessions: new Gauge({
      name: "parley_sessions",
      help: "The sessions with an open stream on this node, by state.",
      labelNames: ["state"] as const,
      registers,
    }),
    streamQueueBytes: new Gauge({
      name: "parley_stream_queue_bytes",
      help: "The bytes waiting in memory for all open streams of this node.",
      registers,
    }),
    liveToReading: new Counter({
      name: "parley_stream_live_to_reading_total",
      help: "The times a slow consumer fell back from live frames to reading the log.",
      registers,
    }),
    historyChanged: new Counter({
      name: "parley_history_changed_total",
      help: "The cursors refused because the log they come from is lost. Anything above zero means lost or restored data.",
      registers,
    }),
    connectionsRefused: new Counter({
      name: "parley_connections_refused_total",
      help: "The connections refused on arrival: their address had too many, or the port was full.",
      labelNames: ["reason"] as const,
      registers,
    }),
    pushes: new Counter({
      name: "parley_pushes_total",
      help: "The tries of offline pushes, by what became of each: sent, again (tried later), failed (given up), dead_token, or dropped (nobody to push any more).",
      labelNames: ["outcome"] as const,
      registers,
    }),
    pushLag: new Histogram({
      name: "parley_push_lag_seconds",
      help: "The time from a message to the provider's word that it has the push, the time in which it might have been acknowledged included.",
      buckets: [...secondsBuckets, 300, 1800, 7200, 86_400],
      registers,
    }),
    pushBreakers: new Gauge({
      name: "parley_push_breakers_open",
      help: "The apps whose pushes wait because the provider refuses their credential.",
      registers,
    }),
    invariantViolations: new Counter({
      name: "parley_invariant_violations_total",
      help: "The cheap checks of the running server that failed, by invariant. Anything above zero is a bug.",
      labelNames: ["invariant"] as const,
      registers,
    }),
    contentType: registry.contentType as string,
    /** The Prometheus text form of everything above. */
    text: () => registry.metrics(),
  };
}
