import { SIMPLIFIED, TRADITIONAL } from "./simplified.js";

/** A text in the one form in which words are looked for, and where each of its code units comes from in the original. */
export interface Folded {
  units: Uint16Array;
  /** The code units of the original that became a unit: from `from`, up to `to`. Set when places were asked for. */
  from: Int32Array;
  to: Int32Array;
  length: number;
}

/** What becomes of one code unit: in the common case, the unit it folds to plus 1, perhaps with the mark of a separator. */
const UNKNOWN = 0;
const SEPARATOR = 0x20000;
/** It is not seen, so it hides nothing. */
const INVISIBLE = -1;
/** It joins the character before it. */
const JOINS = -2;
/** A half of a character, or one that becomes several. */
const LONG = -3;

const PLACES = new Int32Array(65_536);
const plainer = [...SIMPLIFIED];
const simplified = new Map([...TRADITIONAL].map((character, at) => [character, plainer[at] ?? character]));

// Characters without width and control characters, but for those that part words.
const isInvisible = (text: string) => /^(\p{Default_Ignorable_Code_Point}|(?!\s)\p{Cc})$/u.test(text);
const isSeparator = (text: string) => /^[\p{Z}\p{P}\p{S}\s]$/u.test(text);
// Marks, and the vowels and finals of Hangul, that composition takes into the character before.
const joins = (text: string) => /^[\p{M}\u1160-\u11ff]/u.test(text.normalize("NFKD"));

/** The form of a character and what joins it: one width, one case, one composition, Simplified. */
function formOf(text: string): string {
  // By way of upper case, which spells out what has several small forms.
  const plain = text.normalize("NFKC").toLowerCase().toUpperCase().toLowerCase().normalize("NFKC");
  return [...plain].map((character) => simplified.get(character) ?? character).join("");
}

function placeOf(unit: number): number {
  const text = String.fromCharCode(unit);
  if (unit >= 0xd800 && unit < 0xe000) return LONG;
  if (isInvisible(text)) return INVISIBLE;
  if (joins(text)) return JOINS;
  const form = formOf(text);
  if (form.length !== 1 || isInvisible(form)) return LONG;
  return (form.charCodeAt(0) + 1) | (isSeparator(text) ? SEPARATOR : 0);
}

function look(unit: number): number {
  const known = PLACES[unit] as number;
  if (known !== UNKNOWN) return known;
  const place = placeOf(unit);
  PLACES[unit] = place;
  return place;
}

// Folding is synchronous, so all texts share one sheet.
let sheet: Folded = newSheet(16_384);

function newSheet(size: number): Folded {
  return { units: new Uint16Array(size), from: new Int32Array(size), to: new Int32Array(size), length: 0 };
}

/** Folds a text. What it gives is good until the next text is folded. */
export function fold(text: string, ignoreSeparators: boolean, { places }: { places: boolean }): Folded {
  // No character becomes more than 18 units.
  if (sheet.units.length < text.length * 18) sheet = newSheet(text.length * 18);
  const { units, from, to } = sheet;
  const { length } = text;
  let out = 0;
  let place = length === 0 ? 0 : look(text.charCodeAt(0));
  for (let at = 0; at < length; ) {
    const next = at + 1 < length ? look(text.charCodeAt(at + 1)) : 0;
    if (place > 0 && next !== JOINS && next !== LONG) {
      if (place < SEPARATOR || !ignoreSeparators) {
        units[out] = (place & 0x1ffff) - 1;
        if (places) {
          from[out] = at;
          to[out] = at + 1;
        }
        out += 1;
      }
      at += 1;
      place = next;
    } else if (place === INVISIBLE) {
      at += 1;
      place = next;
    } else {
      const end = endOfCharacter(text, at);
      for (const unit of unitsOf(text.slice(at, end), ignoreSeparators)) {
        units[out] = unit;
        from[out] = at;
        to[out] = end;
        out += 1;
      }
      at = end;
      place = at < length ? look(text.charCodeAt(at)) : 0;
    }
  }
  sheet.length = out;
  return sheet;
}

/** A folded word as a string. */
export function foldedText(text: string, ignoreSeparators: boolean): string {
  const { units, length } = fold(text, ignoreSeparators, { places: false });
  return String.fromCharCode(...units.subarray(0, length));
}

/** Where the character that begins at a place ends, with all that joins it. */
function endOfCharacter(text: string, begin: number): number {
  let end = begin + widthAt(text, begin);
  while (end < text.length) {
    const width = widthAt(text, end);
    const character = text.slice(end, end + width);
    if (isInvisible(character) || !joins(character)) break;
    end += width;
  }
  return end;
}

const widthAt = (text: string, at: number) => ((text.codePointAt(at) as number) > 0xffff ? 2 : 1);

function unitsOf(character: string, ignoreSeparators: boolean): number[] {
  const [first = ""] = character;
  if (isInvisible(first) || (ignoreSeparators && isSeparator(first))) return [];
  const units: number[] = [];
  for (const part of formOf(character))
    if (!isInvisible(part) && !(ignoreSeparators && isSeparator(part)))
      for (let at = 0; at < part.length; at += 1) units.push(part.charCodeAt(at));
  return units;
}
