import type { LogEvent, LogState } from "../ports.js";
import { type LogEnd, readEnds, readEventsAfter, readHeads, readLogState } from "../store/log.js";
import type { Db } from "../store/schema.js";

/** What the live end asks the store of the logs. */
export interface LogReads {
  state(appId: string): Promise<LogState>;
  /** The events after a position, at most `limit`. */
  after(appId: string, pos: number, limit: number): Promise<LogEvent[]>;
  ends(appIds: readonly string[]): Promise<LogEnd[]>;
  heads(): Promise<{ appId: string; head: number }[]>;
}

export function createLogReads(read: Db): LogReads {
  return {
    state: (appId) => readLogState(read, appId),
    after: (appId, pos, limit) => readEventsAfter(read, appId, pos, limit),
    ends: (appIds) => readEnds(read, appIds),
    heads: () => readHeads(read),
  };
}
