import { TIMES } from "../limits.js";
import type { Room } from "./room.js";

/** The disk of a database server cannot be looked at from here: it has room until a write says otherwise, and from then on something is written now and then to see. */
export function postgresRoom(): Room {
  let full = false;
  let probeMs = 0;
  return {
    isThere() {
      if (!full) return true;
      if (performance.now() < probeMs) return false;
      probeMs = performance.now() + TIMES.diskProbeMs;
      return true;
    },
    lost() {
      full = true;
      probeMs = performance.now() + TIMES.diskProbeMs;
    },
    tend() {
      full = false;
    },
  };
}
