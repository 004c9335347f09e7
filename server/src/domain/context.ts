import type { Limits, Times } from "../limits.js";
import type { Clock } from "../ops/clock.js";
import type { ImageReader } from "../ops/images.js";
import type { SafeFetch } from "../ops/safe-fetch.js";
import type { BlobStore, Bus, Presence, PushCredentials, Pushes, PushSender, Tail } from "../ports.js";
import type { Committer } from "../store/committer.js";
import type { Db } from "../store/schema.js";
import type { AppCache } from "./apps.js";
import type { HeardAttachments } from "./attachments/heard.js";
import type { SignedUrls } from "./attachments/signed-urls.js";
import type { Turns } from "./attachments/turns.js";
import type { WordFilters } from "./filter/word-filters.js";
import type { Gate } from "./gate.js";
import type { OutwardGate } from "./outward-gate.js";
import type { Passwords } from "./passwords.js";
import type { SecretBox } from "./secret-box.js";
import type { SessionCache } from "./session-cache.js";
import type { Statistics } from "./statistics/statistics.js";
import type { TokenBuckets } from "./token-buckets.js";
import type { TransientMemory } from "./transient-memory.js";

/** What the use cases work with: made once, in app.ts. */
export interface Ctx {
  read: Db;
  /** For reads so long that they let others run between their steps. */
  longRead: Db;
  committer: Committer;
  bus: Bus;
  presence: Presence;
  pushes: Pushes;
  tail: Tail;
  statistics: Statistics;
  /** Whether other nodes work on the same store. */
  shared: boolean;
  clock: Clock;
  limits: Limits;
  times: Times;
  /** Sends a second for one user; 0 = no limit. */
  sendsPerSecond: number;
  apps: AppCache;
  filters: WordFilters;
  sessions: SessionCache;
  buckets: TokenBuckets;
  transients: TransientMemory;
  secrets: SecretBox;
  passwords: Passwords;
  /** The way out to addresses that apps have named. */
  fetch: SafeFetch;
  /** What every call to such an address goes through. */
  outward: OutwardGate;
  /** Says something to the one who watches the server: what the console gateway of SMS sends. */
  print(text: string): void;
  pushSender: PushSender;
  /** Who is told of a change of what an app pushes with. */
  pushCredentials: PushCredentials;
  /** The bytes of attachments. */
  blobs: BlobStore;
  urls: SignedUrls;
  heard: HeardAttachments;
  /** Lets one work at a time on an upload. */
  turns: Turns;
  images: ImageReader;
  /** Lets one image at a time be opened. */
  imageGate: Gate;
  /** The SHA-256 of the operator token. */
  operatorTokenHash: Buffer;
  /** The address that clients use, when the settings name one. */
  publicUrl: string | undefined;
  /** The version of the server. */
  version: string;
  /** An id that sorts by the time it was made. */
  newId(): string;
}
