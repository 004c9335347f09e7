/** Every limit and default in one table; each name ends in its unit. A leaf that every room may import. */

/** The bounds that hold for every app. Returned by GetServerInfo. */
export const LIMITS = {
  textBytes: 8 * 1024,
  messageBytes: 64 * 1024,
  structBytes: 16 * 1024,
  structDepth: 16,
  requestBytes: 1024 * 1024,
  responseBytes: 16 * 1024 * 1024,
  compressMinBytes: 32 * 1024,
  urlBytes: 8 * 1024,
  headerBytes: 16 * 1024,
  headerPairs: 64,
  http2StreamsPerConnection: 100,
  http2SessionMemoryMb: 4,
  connections: 20_000,
  cachedSessions: 50_000,
  pageItems: 100,
  pageDefaultItems: 20,
  batchMessages: 100,
  roomMembers: 1000,
  groupMembersDefault: 500,
  groupMembersHard: 5000,
  groupsPerUser: 1000,
  friendsPerUser: 5000,
  sessionsPerUser: 100,
  streamsPerUser: 10,
  streamQueueBytes: 256 * 1024,
  streamChunkEvents: 200,
  sendBurstMessages: 100,
  transientSendsPerSecond: 60,
  serviceSendsPerSecond: 2000,
  changesPerSecond: 20,
  changeBurst: 200,
  loginTries: 10,
  loginTriesPerAddress: 500,
  loginWindowSeconds: 300,
  tokenKeys: 10,
  fetchedBytes: 256 * 1024,
  commitBatchItems: 256,
  commitQueueItems: 2000,
} as const;

/** The spans of time that hold for every app, in milliseconds. */
export const TIMES = {
  heartbeatMs: 20_000,
  sessionMs: 30 * 86_400_000,
  presenceGraceMs: 10_000,
  presenceBootGraceMs: 15_000,
  ackQuietMs: 60_000,
  ackPersistMs: 5_000,
  writeStallMs: 30_000,
  transientDedupMs: 120_000,
  answeredMs: 86_400_000,
  dedupMs: 7 * 86_400_000,
  drainMs: 3_000,
  retentionIntervalMs: 60_000,
  sqliteBusyMs: 20,
  unaryMaxMs: 60_000,
  sniffMs: 10_000,
  headersMs: 10_000,
  requestMs: 30_000,
  keepAliveMs: 60_000,
  pingMs: 20_000,
  pingDeadlineMs: 10_000,
  connectionStallMs: 75_000,
  http2IdleMs: 300_000,
  tcpKeepAliveMs: 15_000,
  sessionCacheMs: 60_000,
  fetchMs: 5_000,
} as const;

/** What an app starts with. Durations are milliseconds, 0 keeps for ever. */
export const APP_DEFAULTS = {
  allowBareIdLogin: false,
  allowStrangerMessages: true,
  allowAccountCreation: true,
  allowGuestLogin: true,
  maxGroupMembers: LIMITS.groupMembersDefault,
  historyRetentionMs: 7 * 86_400_000,
  strangerHistoryRetentionMs: 365 * 86_400_000,
  eventRetentionMs: 7 * 86_400_000,
} as const;

export type Limits = { readonly [K in keyof typeof LIMITS]: number };
export type Times = { readonly [K in keyof typeof TIMES]: number };
export type AppRules = {
  readonly [K in keyof typeof APP_DEFAULTS]: (typeof APP_DEFAULTS)[K] extends boolean ? boolean : number;
};
