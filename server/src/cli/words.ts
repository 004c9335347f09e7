import { readFileSync } from "node:fs";
import type { Client } from "@connectrpc/connect";
import { AdminService } from "@parley/proto/parley/v1/admin_service_pb.js";
import { type WordFilter, WordFilterAction } from "@parley/proto/parley/v1/word_filter_pb.js";
import { Command } from "commander";
import type { Answer } from "./answer.js";
import { asBackend, type BackendOptions, backendCommand } from "./backend.js";
import { CommandFailure } from "./failure.js";
import { examples } from "./options.js";
import { showProgress } from "./progress.js";

type Admin = Client<typeof AdminService>;
type Options = BackendOptions & { file?: string };

/** `parley words`: the app's word filter. */
export function wordsCommand(): Command {
  const words = new Command("words").description("look for words in what the users of an app write");
  backendCommand(words, "set", "turn the filter on with the words of a file, in place of those there were")
    .argument("<file>", "file with one word a line, in UTF-8")
    .option("--reject", "refuse a message that holds a word, instead of masking it")
    .option("--mask <character>", "visible ASCII character that takes the place of each letter", "*")
    .option("--default-list", "look for the built-in phrases of spam and fraud too")
    .option("--ignore-separators", "look through blanks, punctuation and symbols inside a word")
    .addHelpText("after", examples("parley words set words.txt", "parley words set words.txt --reject --json"))
    .action((file: string, options: Options & SetOptions) =>
      withAdmin(options, async (admin) => filterAnswer(await setWords(admin, readWords(file), options))),
    );
  backendCommand(words, "add", "add words, or those of a file")
    .argument("[words...]", "words to add")
    .option("--file <file>", "file with one word a line, in UTF-8")
    .addHelpText("after", examples("parley words add badword 'two words'", "parley words add --file more.txt"))
    .action((given: string[], options: Options) =>
      withAdmin(options, async (admin) =>
        inSteps("added", wordsOf(given, options), async (step) => (await admin.addFilterWords({ words: step })).filter),
      ),
    );
  backendCommand(words, "remove", "take words out, or those of a file")
    .argument("[words...]", "words to take out, spelt as they were added")
    .option("--file <file>", "file with one word a line, in UTF-8")
    .addHelpText("after", examples("parley words remove badword", "parley words remove --file old.txt"))
    .action((given: string[], options: Options) =>
      withAdmin(options, async (admin) =>
        inSteps(
          "removed",
          wordsOf(given, options),
          async (step) => (await admin.removeFilterWords({ words: step })).filter,
        ),
      ),
    );
  backendCommand(words, "list", "list the words of the filter")
    .addHelpText("after", examples("parley words list", "parley words list > words.txt"))
    .action((options: Options) => withAdmin(options, listWords));
  backendCommand(words, "show", "show how the filter is set")
    .addHelpText("after", examples("parley words show", "parley words show --json"))
    .action((options: Options) =>
      withAdmin(options, async (admin) => filterAnswer((await admin.getWordFilter({})).filter)),
    );
  for (const [name, enabled] of [
    ["off", false],
    ["on", true],
  ] as const)
    backendCommand(words, name, `turn the filter ${name}; its words stay`)
      .addHelpText("after", examples(`parley words ${name}`))
      .action((options: Options) => withAdmin(options, async (admin) => filterAnswer(await turn(admin, enabled))));
  return words;
}

interface SetOptions {
  reject?: boolean;
  mask: string;
  defaultList?: boolean;
  ignoreSeparators?: boolean;
}

const STEP_WORDS = 1000;
/** So much of words goes into one call, which may be 1 MiB large. */
const CALL_BYTES = 900_000;

async function withAdmin(options: Options, work: (admin: Admin) => Promise<Answer | Answer[]>): Promise<void> {
  await asBackend(options, "no words", (service) => work(service(AdminService)));
}

async function setWords(admin: Admin, words: string[], { reject, mask, defaultList, ignoreSeparators }: SetOptions) {
  const fits = Buffer.byteLength(words.join("\n")) + 4 * words.length <= CALL_BYTES;
  const { filter } = await admin.setWordFilter({
    enabled: true,
    action: reject === true ? WordFilterAction.REJECT : WordFilterAction.MASK,
    words: fits ? words : words.slice(0, STEP_WORDS),
    mask,
    useDefaultList: defaultList === true,
    ignoreSeparators: ignoreSeparators === true,
  });
  if (fits) return filter;
  return await steps(
    "set",
    words.slice(STEP_WORDS),
    async (step) => (await admin.addFilterWords({ words: step })).filter,
  );
}

async function turn(admin: Admin, enabled: boolean): Promise<WordFilter | undefined> {
  const { filter } = await admin.getWordFilter({});
  const { action, mask = "", useDefaultList = false, ignoreSeparators = false } = filter ?? {};
  const kept = { mask, useDefaultList, ignoreSeparators, keepWords: true };
  return (await admin.setWordFilter({ ...kept, enabled, action: action ?? WordFilterAction.MASK })).filter;
}

async function listWords(admin: Admin): Promise<Answer[]> {
  const words: Answer[] = [];
  for (let pageToken = ""; ; ) {
    const page = await admin.listFilterWords({ pageSize: 100, pageToken });
    words.push(...page.words.map((word) => ({ word })));
    pageToken = page.nextPageToken;
    if (pageToken === "") return words;
  }
}

type Step = (words: string[]) => Promise<WordFilter | undefined>;

async function inSteps(what: string, words: string[], step: Step): Promise<Answer> {
  return filterAnswer(await steps(what, words, step));
}

async function steps(what: string, words: string[], step: Step): Promise<WordFilter | undefined> {
  const progress = showProgress(what);
  try {
    let filter: WordFilter | undefined;
    for (let at = 0; at < words.length; at += STEP_WORDS) {
      progress.onProgress(at / words.length);
      filter = await step(words.slice(at, at + STEP_WORDS));
    }
    return filter;
  } finally {
    progress.end();
  }
}

function wordsOf(given: string[], { file }: Options): string[] {
  const words = file === undefined ? given : [...given, ...readWords(file)];
  if (words.length === 0) throw new CommandFailure("which words? name some, or give --file");
  return words;
}

/** The lines of a file that are not empty. */
function readWords(file: string): string[] {
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(readFileSync(file));
    return text.split(/\r?\n/).filter((line) => line.trim() !== "");
  } catch (error) {
    throw new CommandFailure(`${file} cannot be read: ${(error as Error).message}`);
  }
}

function filterAnswer(filter: WordFilter | undefined): Answer {
  return {
    enabled: filter?.enabled,
    action: filter?.action === WordFilterAction.REJECT ? "reject" : "mask",
    mask: filter?.mask,
    words: filter?.wordCount,
    default_list: filter?.useDefaultList,
    ignore_separators: filter?.ignoreSeparators,
  };
}
