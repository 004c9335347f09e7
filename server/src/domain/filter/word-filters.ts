import { WordFilterAction } from "@parley/proto/parley/v1/word_filter_pb.js";
import type { Clock } from "../../ops/clock.js";
import type { Db, Row } from "../../store/schema.js";
import { findWordFilter, listFilterWords } from "../../store/word-filters.js";
import { nextTurn } from "../next-turn.js";
import { compileFilter, type FilterSettings, type WordFilter } from "./word-filter.js";

/** The filters in force, by app. */
export interface WordFilters {
  /** The filter of an app; undefined when it has none or it is off. At once when it was asked for before. */
  find(appId: string): WordFilter | undefined | Promise<WordFilter | undefined>;
  /** Puts another in its place: all that is asked for from now on is this one. */
  put(appId: string, filter: WordFilter | undefined): void;
}

interface Known {
  filter: WordFilter | undefined;
  /** Of the row that it was made from; undefined when it was put. */
  revision: number | undefined;
  untilMs: number;
}

/** Makes the memory of filters. `lifeMs` is how long one is believed: what another process changed is so here no later than this. */
export function createWordFilters(read: Db, clock: Pick<Clock, "mono">, lifeMs: number): WordFilters {
  const known = new Map<string, Known>();
  const loading = new Map<string, Promise<WordFilter | undefined>>();

  const load = async (appId: string): Promise<WordFilter | undefined> => {
    try {
      const before = known.get(appId);
      const untilMs = clock.mono() + lifeMs;
      const row = await findWordFilter(read, appId);
      const revision = row?.revision ?? 0;
      const filter = before?.revision === revision ? before.filter : await compiled(row);
      // One that was put meanwhile is newer.
      if (known.get(appId) === before) known.set(appId, { filter, revision, untilMs });
      return known.get(appId)?.filter;
    } finally {
      // After a failure the next who asks tries again.
      loading.delete(appId);
    }
  };
  const compiled = async (row: Row<"word_filter"> | undefined) =>
    row?.enabled === 1 ? await compileFilter(await settingsOf(read, row), nextTurn) : undefined;

  return {
    find(appId) {
      const found = known.get(appId);
      if (found !== undefined && found.untilMs > clock.mono()) return found.filter;
      let begun = loading.get(appId);
      if (begun === undefined) {
        begun = load(appId);
        loading.set(appId, begun);
      }
      return begun;
    },
    put: (appId, filter) => void known.set(appId, { filter, revision: undefined, untilMs: clock.mono() + lifeMs }),
  };
}

/** A stored filter with its words. */
export async function settingsOf(db: Db, row: Row<"word_filter">): Promise<FilterSettings> {
  return {
    enabled: row.enabled === 1,
    action: row.action === WordFilterAction.REJECT ? "reject" : "mask",
    mask: row.mask,
    useDefaultList: row.use_default_list === 1,
    ignoreSeparators: row.ignore_separators === 1,
    words: await listFilterWords(db, row.app_id, ""),
  };
}
