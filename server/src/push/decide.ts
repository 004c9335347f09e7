import type { Receipt, Standing } from "../ports.js";

/** A session as it is stored, as far as the decision needs it. */
export interface StoredSession {
  sessionId: string;
  ackedPos: number;
  createMs: number;
}

/** How a user stands to a message, and whether it is waited for only because the server has just started. */
export interface Attendance {
  receipt: Receipt;
  /** A session of before the start has not been seen yet. */
  comesBack: boolean;
  /** How long ago the node was heard of on whose word this rests; 0 when it is this one. */
  unheardMs: number;
}

/** How a user stands to a position of the log: the best that any of its sessions says of it. `startMs` is when this server started, by the wall clock. */
export function attendanceOf(
  sessions: readonly StoredSession[],
  standing: (sessionId: string) => Standing,
  pos: number,
  startMs: number,
): Attendance {
  let receipt: Receipt = "away";
  let comesBack = false;
  let receivingMs = Number.POSITIVE_INFINITY;
  let awaitedMs = 0;
  for (const { sessionId, ackedPos, createMs } of sessions) {
    const now = standing(sessionId);
    if (Math.max(ackedPos, now.ackedPos) >= pos) return { receipt: "acknowledged", comesBack: false, unheardMs: 0 };
    const { unheardMs = 0 } = now;
    if (now.client === "receiving") {
      receipt = "receiving";
      // One that is surely served is enough.
      receivingMs = Math.min(receivingMs, unheardMs);
    }
    // A session that was made since has been nowhere that it could come back from.
    const unseen = now.client === "unseen" && createMs < startMs;
    comesBack ||= unseen;
    if (receipt === "away" && (now.client === "awaited" || unseen)) receipt = "awaited";
    // Every one of them may come back.
    if (now.client === "awaited") awaitedMs = Math.max(awaitedMs, unheardMs);
  }
  return { receipt, comesBack, unheardMs: receipt === "receiving" ? receivingMs : awaitedMs };
}

/** What becomes of a message for a user who may be pushed it. */
export type Decision = "none" | "push" | { waitMs: number };

/** When a message was said, and what time it is: both by the clock that the times of the log are of. */
export interface Moment {
  saidMs: number;
  nowMs: number;
  /** How much of the start's grace is left. */
  bootLeftMs: number;
  /** For how long a client that is here may leave a message unacknowledged. */
  awaitMs: number;
}

const LOOK_AGAIN_MS = 1_000;

/**
 * Decides. Who has acknowledged, or receives without ever acknowledging, needs no push; who is away needs it now. A client that is here has a moment to
 * acknowledge: if it has not by then, its stream is doubtful and the push goes. After a start everybody is given the time to come back, and so is
 * whose node has not been heard of since.
 */
export function decide(
  { receipt, comesBack, unheardMs }: Attendance,
  { saidMs, nowMs, bootLeftMs, awaitMs }: Moment,
): Decision {
  if (receipt === "acknowledged") return "none";
  if (receipt === "away") return "push";
  // Whether the node was alive when it mattered: if not, its clients are on their way to another, or its sessions will soon be gone.
  const vouched = unheardMs <= Math.max(0, nowMs - saidMs - (receipt === "receiving" ? 0 : awaitMs));
  if (receipt === "receiving") return vouched ? "none" : { waitMs: LOOK_AGAIN_MS };
  // A clock that was set back must not make anybody wait for longer.
  const leftMs = Math.min(awaitMs, Math.max(0, saidMs + awaitMs - nowMs));
  const waitMs = comesBack ? Math.max(leftMs, bootLeftMs) : leftMs;
  if (waitMs > 0) return { waitMs };
  return vouched ? "push" : { waitMs: LOOK_AGAIN_MS };
}
