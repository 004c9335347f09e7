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
  for (const { sessionId, ackedPos, createMs } of sessions) {
    const now = standing(sessionId);
    if (Math.max(ackedPos, now.ackedPos) >= pos) return { receipt: "acknowledged", comesBack: false };
    if (now.client === "receiving") receipt = "receiving";
    // A session that was made since has been nowhere that it could come back from.
    const unseen = now.client === "unseen" && createMs < startMs;
    comesBack ||= unseen;
    if (receipt === "away" && (now.client === "awaited" || unseen)) receipt = "awaited";
  }
  return { receipt, comesBack };
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

/**
 * Decides. Who has acknowledged, or receives without ever acknowledging, needs no push; who is away needs it now. A client that is here has a moment to
 * acknowledge: if it has not by then, its stream is doubtful and the push goes. After a start everybody is given the time to come back.
 */
export function decide({ receipt, comesBack }: Attendance, { saidMs, nowMs, bootLeftMs, awaitMs }: Moment): Decision {
  if (receipt === "acknowledged" || receipt === "receiving") return "none";
  if (receipt === "away") return "push";
  // A clock that was set back must not make anybody wait for longer.
  const leftMs = Math.min(awaitMs, Math.max(0, saidMs + awaitMs - nowMs));
  const waitMs = comesBack ? Math.max(leftMs, bootLeftMs) : leftMs;
  return waitMs > 0 ? { waitMs } : "push";
}
