import { type Automaton, buildAutomaton } from "./automaton.js";
import { DEFAULT_WORDS } from "./default-words.js";
import { fold, foldedText } from "./fold.js";

/** How a filter is set, with its words. */
export interface FilterSettings {
  enabled: boolean;
  action: "mask" | "reject";
  /** One visible character of ASCII, so that a masked text is never longer than it was. */
  mask: string;
  useDefaultList: boolean;
  ignoreSeparators: boolean;
  words: readonly string[];
}

/** A filter in force. */
export interface WordFilter {
  /** The text as it may be kept: itself when it holds no word. Undefined when it holds one and the filter rejects. */
  screen(text: string): string | undefined;
}

const STEP_WORDS = 500;

/** Makes a filter in steps that let everything else run between them; undefined when there is nothing to look for. */
export async function compileFilter(
  settings: FilterSettings,
  turn: () => Promise<void>,
): Promise<WordFilter | undefined> {
  if (!settings.enabled) return undefined;
  const words = settings.useDefaultList ? [...settings.words, ...DEFAULT_WORDS] : settings.words;
  const folded = new Set<string>();
  for (const [at, word] of words.entries()) {
    if (at % STEP_WORDS === STEP_WORDS - 1) await turn();
    folded.add(foldedText(word, settings.ignoreSeparators));
  }
  // A word of separators alone is nothing once they are looked through.
  folded.delete("");
  if (folded.size === 0) return undefined;
  const automaton = await buildAutomaton(folded, turn);
  return { screen: (text) => screen(automaton, settings, text) };
}

/** The length of each longest word by where it ends. Screening is synchronous, so all filters share it. */
let ends = new Int32Array(16_384);

function screen(automaton: Automaton, { action, mask, ignoreSeparators }: FilterSettings, text: string) {
  const { units, length } = fold(text, ignoreSeparators, { places: false });
  if (!automaton.run(units, length)) return text;
  if (action === "reject") return undefined;
  // Few texts hold a word, so only those are asked where.
  const folded = fold(text, ignoreSeparators, { places: true });
  if (ends.length < length) ends = new Int32Array(length);
  automaton.run(folded.units, length, ends);
  return masked(text, coverage(text, folded), mask);
}

/** The code units of a text that belong to a word, with what was passed over inside it. */
function coverage(text: string, { from, to, length }: ReturnType<typeof fold>): Uint8Array {
  const covered = new Uint8Array(text.length);
  // From the end: where the words that end here or later begin at the earliest.
  let reach = length;
  for (let at = length - 1; at >= 0; at -= 1) {
    reach = Math.min(reach, at - (ends[at] as number) + 1);
    if (reach > at) continue;
    const begin = reach < at ? (to[at - 1] as number) : (from[at] as number);
    covered.fill(1, Math.min(begin, from[at] as number), to[at]);
  }
  return covered;
}

function masked(text: string, covered: Uint8Array, mask: string): string {
  let out = "";
  let at = 0;
  for (const character of text) {
    out += covered[at] === 1 ? mask : character;
    at += character.length;
  }
  return out;
}
