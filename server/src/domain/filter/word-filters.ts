import { WordFilterAction } from "@parley/proto/parley/v1/word_filter_pb.js";
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

export function createWordFilters(read: Db): WordFilters {
  const known = new Map<string, { filter: WordFilter | undefined }>();
  const loading = new Map<string, Promise<WordFilter | undefined>>();

  const load = async (appId: string): Promise<WordFilter | undefined> => {
    try {
      const row = await findWordFilter(read, appId);
      const filter = row?.enabled === 1 ? await compileFilter(await settingsOf(read, row), nextTurn) : undefined;
      // One that was put meanwhile is newer.
      if (!known.has(appId)) known.set(appId, { filter });
      return known.get(appId)?.filter;
    } finally {
      // After a failure the next who asks tries again.
      loading.delete(appId);
    }
  };

  return {
    find(appId) {
      const found = known.get(appId);
      if (found !== undefined) return found.filter;
      let begun = loading.get(appId);
      if (begun === undefined) {
        begun = load(appId);
        loading.set(appId, begun);
      }
      return begun;
    },
    put: (appId, filter) => void known.set(appId, { filter }),
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
