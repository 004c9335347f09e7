/**
 * Finds any of many words in one pass over a text (Aho–Corasick). The states are the beginnings of words, numbered by rising length, so the
 * continuations of a state are neighbours; those of the first states, where nearly all of a text is read, stand in a table.
 */
export interface Automaton {
  /** The number of states, the empty beginning among them. */
  readonly states: number;
  /** Whether a word ends in the first `length` units. With `ends` it looks at all of them and writes there how long the longest word is that ends at each, or 0. */
  run(units: Uint16Array, length: number, ends?: Int32Array): boolean;
}

const TABLE_CELLS = 1_000_000;
/** States that are made between two turns of the event loop. */
const STEP_STATES = 5_000;

/** Makes the automaton of words, each of at least one unit, in steps that let everything else run between them. */
export async function buildAutomaton(words: Iterable<string>, turn: () => Promise<void>): Promise<Automaton> {
  const sorted = [...new Set(words)].sort();
  const { symbols, width } = symbolsOf(sorted);
  const most = sorted.reduce((sum, word) => sum + word.length, 1);
  const symbol = new Uint16Array(most);
  const fail = new Int32Array(most);
  const first = new Int32Array(most + 1);
  const longest = new Uint16Array(most);
  // The words that begin with a state are neighbours too: those from `low` up to `high`.
  const low = new Int32Array(most);
  const high = new Int32Array(most);
  const depth = new Uint16Array(most);
  high[0] = sorted.length;

  /** The continuation of a state by a symbol, or undefined. */
  const child = (state: number, wanted: number): number | undefined => {
    let [from, to] = [first[state] as number, first[state + 1] as number];
    while (from < to) {
      const middle = (from + to) >> 1;
      const found = symbol[middle] as number;
      if (found === wanted) return middle;
      if (found < wanted) from = middle + 1;
      else to = middle;
    }
    return undefined;
  };
  const follow = (state: number, wanted: number): number => {
    for (let at = state; ; at = fail[at] as number) {
      const found = child(at, wanted);
      if (found !== undefined) return found;
      if (at === 0) return 0;
    }
  };

  let states = 1;
  for (let state = 0; state < states; state += 1) {
    if (state % STEP_STATES === STEP_STATES - 1) await turn();
    first[state] = states;
    const length = depth[state] as number;
    for (let at = low[state] as number; at < (high[state] as number); ) {
      const word = sorted[at] as string;
      if (word.length === length) {
        longest[state] = length;
        at += 1;
        continue;
      }
      const unit = word.charCodeAt(length);
      let end = at + 1;
      while (end < (high[state] as number) && sorted[end]?.charCodeAt(length) === unit) end += 1;
      symbol[states] = symbols[unit] as number;
      low[states] = at;
      high[states] = end;
      depth[states] = length + 1;
      if (length > 0) fail[states] = follow(fail[state] as number, symbols[unit] as number);
      states += 1;
      at = end;
    }
    first[state + 1] = states;
    if (longest[state] === 0) longest[state] = longest[fail[state] as number] as number;
  }

  const rows = Math.min(states, Math.max(1, Math.floor(TABLE_CELLS / width)));
  const table = new Int32Array(rows * width);
  for (let state = 0; state < rows; state += 1) {
    // What does not go on from here goes on from the longest ending that is a beginning too.
    if (state > 0)
      table.copyWithin(state * width, (fail[state] as number) * width, ((fail[state] as number) + 1) * width);
    for (let at = first[state] as number; at < (first[state + 1] as number); at += 1)
      table[state * width + (symbol[at] as number)] = at;
  }

  return {
    states,
    run(units, length, ends) {
      let state = 0;
      let any = false;
      for (let at = 0; at < length; at += 1) {
        const wanted = symbols[units[at] as number] as number;
        if (wanted === 0) state = 0;
        else {
          let next: number | undefined;
          while (state >= rows && next === undefined) {
            next = child(state, wanted);
            if (next === undefined) state = fail[state] as number;
          }
          state = next ?? (table[state * width + wanted] as number);
        }
        const found = longest[state] as number;
        if (ends !== undefined) ends[at] = found;
        if (found === 0) continue;
        any = true;
        if (ends === undefined) break;
      }
      return any;
    },
  };
}

/** A number from 1 on for each unit that is in a word, rising with the units; 0 for all others. */
function symbolsOf(words: readonly string[]): { symbols: Uint16Array; width: number } {
  const symbols = new Uint16Array(65_536);
  for (const word of words) for (let at = 0; at < word.length; at += 1) symbols[word.charCodeAt(at)] = 1;
  let next = 1;
  for (let unit = 0; unit < symbols.length; unit += 1) if (symbols[unit] === 1) symbols[unit] = next++;
  return { symbols, width: next };
}
