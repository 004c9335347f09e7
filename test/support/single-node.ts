import { relative } from "node:path";
import { beforeEach } from "vitest";

const RATE = "each node counts rates for itself, so several let more pass (docs/operations.md)";
const METRICS = "each node tells its own metrics";
const OWN_COPY = "each node fetches what others publish for itself, and keeps it";
const REPEAT =
  "a node that has not heard of the first takes a repeat of what is not stored for new; who heard the first drops it (test/cluster)";
const COUNTS = "what is not in the log each node counts for itself, and tells the others 10 s later at most (ADR 32)";
const NODE_CLOCK = "when a node was last heard of is told by the clock of the database, which no test moves (ADR 32)";
const CREDENTIAL = "its app has a sender of the test and no credential, by which the keeper would know it";
const TOLD = "who is online is told to the millisecond by the only node alone; several have test/cluster";

/** The tests that are about one node alone, and why several are otherwise, be it for their users or for the means of the test. */
export const SINGLE_NODE: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  "attachment-transfers": {
    "whose connection is lost leaves nothing, and a later one takes the place of one that hangs":
      "an upload that hangs is cut by a later one to the same node; at others by its time-out alone (ADR 33)",
  },
  attachments: { "rate: 50 at once, then one in 1.2 s": RATE },
  drain: {
    "waits for a client that does not read no longer than the grace":
      "a balancer reads, and holds what its client does not take",
  },
  exports: { "is refused when as many of the app are under way as may be; one that is left makes room": RATE },
  limits: { "the app's backend sends so many a second, imports among them": RATE },
  load: { "puts new streams off, then logins too, with a delay; what is under way goes on; and it recovers": METRICS },
  logins: { "by a JWKS document: fetched once for many tokens": OWN_COPY },
  "logins-oauth": {
    "makes the user of its sub, whichever of our clients it is for; the keys are found once": OWN_COPY,
    "are not asked without end for one address": RATE,
  },
  poison: { "are bounded for one user, and reads and the app's backend are not": RATE },
  presence: { "*": TOLD },
  "presence-settings": { "*": TOLD },
  push: {
    "is worded by the app's templates, from the next push on": CREDENTIAL,
    "in an app without a credential, of what was said before it has one, or after it has none": CREDENTIAL,
    "and leaves the message unacknowledged for 3 s is pushed, not a moment earlier": NODE_CLOCK,
    "is pushed within 5 s by the clock on the wall":
      "the keeper waits until the other node was heard of, which is every 3 s: up to 7 s (docs/push.md)",
    "and pauses is pushed at once; one who is lost, after the moment in which it might have come back": NODE_CLOCK,
    "is one of so many that are waited for; what comes beyond is decided after them, and none is lost": NODE_CLOCK,
    "and has not been heard for a minute is pushed at once": NODE_CLOCK,
  },
  search: { "ten a second for each user; the backend is not counted": RATE },
  "send-batch": { "each message of a batch counts against the rate": RATE },
  "send-limits": { "sends a second for one user, saying when to come back": RATE },
  sessions: {
    "end after their time without use, and every use moves that":
      "its clock leaps over the end of a session before the use of it a moment ago is stored",
  },
  "slow-consumer": { "*": METRICS },
  statistics: {
    "are what was done, at once and after a restart": COUNTS,
    "tell who is here now, and the most there were at one moment": COUNTS,
  },
  "system-messages": {
    "of any receiver is answered with the first, 20 at once too; another payload is a conflict": REPEAT,
  },
  transient: {
    "is answered and not delivered; another payload is a conflict": REPEAT,
    "after two minutes is a message of its own": REPEAT,
    "transient sends have a rate of their own, beside that of stored ones": RATE,
    "is passed on once a second for one peer, and its end always": RATE,
  },
  "word-filter": { "still knows a repeat by what was sent first": REPEAT },
};

// Loaded before each file of the suites that run on a cluster.
beforeEach(({ task, skip }) => {
  const file = relative("test/integration", task.file.name).replace(/\.test\.ts$/, "");
  const reason = SINGLE_NODE[file]?.["*"] ?? SINGLE_NODE[file]?.[task.name];
  if (reason !== undefined) skip(reason);
});
