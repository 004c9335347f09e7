import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { ListFilterWordsRequest, SetWordFilterRequest } from "@parley/proto/parley/v1/admin_service_pb.js";
import { type WordFilter, WordFilterAction, WordFilterSchema } from "@parley/proto/parley/v1/word_filter_pb.js";
import type { Row } from "../../store/schema.js";
import {
  addFilterWords as addRows,
  deleteFilterWords,
  findWordFilter,
  listFilterWords as listRows,
  storeWordFilter,
} from "../../store/word-filters.js";
import type { ServiceCaller } from "../caller.js";
import type { Ctx } from "../context.js";
import { invalidField, tooLarge } from "../errors.js";
import { foldedText } from "../filter/fold.js";
import { compileFilter, type FilterSettings } from "../filter/word-filter.js";
import { settingsOf } from "../filter/word-filters.js";
import { nextTurn } from "../next-turn.js";
import { nextPage, pageLimit, readPageToken } from "../page.js";

const UNSET: FilterSettings = {
  enabled: false,
  action: "mask",
  mask: "*",
  useDefaultList: false,
  ignoreSeparators: false,
  words: [],
};

/** Gets the filter without its words; see AdminService.GetWordFilter. */
export async function getWordFilter(ctx: Ctx, { appId }: ServiceCaller): Promise<WordFilter> {
  return filterOf(await findWordFilter(ctx.read, appId));
}

/** Replaces the filter; see AdminService.SetWordFilter. */
export async function setWordFilter(ctx: Ctx, caller: ServiceCaller, request: SetWordFilterRequest) {
  if (request.keepWords && request.words.length > 0)
    throw invalidField("words", "words must be empty when keep_words is set");
  await checkWords(request.words);
  const given = {
    enabled: request.enabled,
    action: request.action === WordFilterAction.REJECT ? ("reject" as const) : ("mask" as const),
    mask: request.mask === "" ? "*" : request.mask,
    useDefaultList: request.useDefaultList,
    ignoreSeparators: request.ignoreSeparators,
  };
  return await changeFilter(ctx, caller.appId, ({ words }) => ({
    ...given,
    words: request.keepWords ? words : [...new Set(request.words)],
  }));
}

/** Adds words; see AdminService.AddFilterWords. */
export async function addFilterWords(ctx: Ctx, caller: ServiceCaller, words: readonly string[]): Promise<WordFilter> {
  await checkWords(words);
  return await changeFilter(ctx, caller.appId, (old) => ({ ...old, words: [...new Set([...old.words, ...words])] }));
}

/** Takes words out; see AdminService.RemoveFilterWords. */
export async function removeFilterWords(ctx: Ctx, caller: ServiceCaller, words: readonly string[]) {
  const gone = new Set(words);
  return await changeFilter(ctx, caller.appId, (old) => ({
    ...old,
    words: old.words.filter((word) => !gone.has(word)),
  }));
}

/** Lists one page of the words; see AdminService.ListFilterWords. */
export async function listFilterWords(ctx: Ctx, { appId }: ServiceCaller, request: ListFilterWordsRequest) {
  const limit = pageLimit(ctx, request.pageSize);
  const [after = ""] = readPageToken(request.pageToken, ["string"]) ?? [];
  const rows = await listRows(ctx.read, appId, String(after), limit + 1);
  const { items, nextPageToken } = nextPage(rows, limit, (word) => [word]);
  return { words: [...items], nextPageToken };
}

const STEP_WORDS = 500;

async function checkWords(words: readonly string[]): Promise<void> {
  for (const [at, word] of words.entries()) {
    if (at % STEP_WORDS === STEP_WORDS - 1) await nextTurn();
    if (foldedText(word, false) === "")
      throw invalidField(`words[${at}]`, "nothing of this word is left to look for: all its characters are invisible");
  }
}

/**
 * The one way to change a filter. It is made ready before it is written, since that takes long, and put in force with its commit: nothing that
 * may fail stands between. If another change came between, it is made ready anew.
 */
async function changeFilter(
  ctx: Ctx,
  appId: string,
  change: (old: FilterSettings) => FilterSettings,
): Promise<WordFilter> {
  for (;;) {
    const row = await findWordFilter(ctx.read, appId);
    const old = row === undefined ? UNSET : await settingsOf(ctx.read, row);
    const next = change(old);
    if (next.words.length > ctx.limits.filterWords) throw tooLarge("words", ctx.limits.filterWords, "words");
    if (row !== undefined && same(old, next)) return filterOf(row);
    const compiled = await compileFilter(next, nextTurn);
    const stored = await ctx.committer.run(appId, async (tx) => {
      const revision = row?.revision ?? 0;
      if (((await findWordFilter(tx.db, appId))?.revision ?? 0) !== revision) return undefined;
      const [before, after] = [new Set(old.words), new Set(next.words)];
      await deleteFilterWords(
        tx,
        old.words.filter((word) => !after.has(word)),
      );
      await addRows(
        tx,
        next.words.filter((word) => !before.has(word)),
      );
      const changed = await storeWordFilter(tx, { ...rowOf(next), revision: revision + 1 });
      tx.afterCommit(() => ctx.filters.put(appId, compiled));
      return changed;
    });
    if (stored !== undefined) return filterOf(stored);
  }
}

function same(a: FilterSettings, b: FilterSettings): boolean {
  if (a.enabled !== b.enabled || a.action !== b.action || a.mask !== b.mask) return false;
  if (a.useDefaultList !== b.useDefaultList || a.ignoreSeparators !== b.ignoreSeparators) return false;
  const words = new Set(a.words);
  return words.size === b.words.length && b.words.every((word) => words.has(word));
}

function rowOf(settings: FilterSettings) {
  return {
    enabled: settings.enabled ? 1 : 0,
    action: settings.action === "reject" ? WordFilterAction.REJECT : WordFilterAction.MASK,
    mask: settings.mask,
    use_default_list: settings.useDefaultList ? 1 : 0,
    ignore_separators: settings.ignoreSeparators ? 1 : 0,
    word_count: settings.words.length,
  };
}

function filterOf(row: Row<"word_filter"> | undefined): WordFilter {
  if (row === undefined) return create(WordFilterSchema, { action: WordFilterAction.MASK, mask: UNSET.mask });
  return create(WordFilterSchema, {
    enabled: row.enabled === 1,
    action: row.action,
    mask: row.mask,
    useDefaultList: row.use_default_list === 1,
    ignoreSeparators: row.ignore_separators === 1,
    wordCount: row.word_count,
    updateTime: timestampFromMs(row.update_ms),
  });
}
