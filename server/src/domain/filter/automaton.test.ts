import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { nextTurn } from "../next-turn.js";
import { buildAutomaton } from "./automaton.js";

const unitsOf = (text: string) => Uint16Array.from({ length: text.length }, (_, at) => text.charCodeAt(at));

async function longestEnds(words: readonly string[], text: string): Promise<number[]> {
  const automaton = await buildAutomaton(words, nextTurn);
  const ends = new Int32Array(text.length);
  automaton.run(unitsOf(text), text.length, ends);
  return [...ends];
}

/** The same by looking for each word at each place. */
const naiveEnds = (words: readonly string[], text: string) =>
  Array.from({ length: text.length }, (_, at) =>
    Math.max(0, ...words.filter((word) => text.slice(0, at + 1).endsWith(word)).map((word) => word.length)),
  );

/** Few letters, so that words overlap and stand in each other; two of them are astral, two join what is before. */
const letters = fc.constantFrom("a", "b", "c", "中", "国", "😀", "𠮷", "\u0301", "\u3099");
const texts = (maxLength: number) => fc.array(letters, { minLength: 1, maxLength }).map((parts) => parts.join(""));

describe("the automaton", () => {
  test("finds what looking for each word at each place finds", async () => {
    const property = fc.asyncProperty(
      fc.array(texts(5), { minLength: 1, maxLength: 12 }),
      texts(40),
      async (words, text) => {
        expect(await longestEnds(words, text)).toEqual(naiveEnds(words, text));
      },
    );
    await fc.assert(property, { numRuns: 500 });
  });

  test("finds words beyond the table of its first states", async () => {
    // An alphabet so large that the table holds a few states only.
    const alphabet = Array.from({ length: 20_000 }, (_, at) => String.fromCharCode(0x4e00 + at));
    const words = [
      ...alphabet.map((letter, at) => letter + alphabet[(at * 7 + 1) % 20_000]),
      "一丁丂七丄丅",
      "丁丂七上",
    ];
    expect((await buildAutomaton(words, nextTurn)).states).toBeGreaterThan(20_000);
    const text = "一丁丂七丄丅一丁丂七上丁丂七";
    expect(await longestEnds(words, text)).toEqual(naiveEnds(words, text));
  });

  test("tells whether there is any", async () => {
    const automaton = await buildAutomaton(["b"], nextTurn);
    expect(automaton.run(unitsOf("abb"), 3)).toBe(true);
    // What lies behind the length is of another text.
    expect(automaton.run(unitsOf("aab"), 2)).toBe(false);
  });

  test("is made of 10,000 words of 64 letters in steps", async () => {
    const words = Array.from({ length: 10_000 }, (_, at) => `${at}`.padStart(5, "0").padEnd(64, `${at}xyz`));
    let turns = 0;
    const { states } = await buildAutomaton(words, async () => {
      turns += 1;
    });
    expect(states).toBeGreaterThan(500_000);
    expect(turns).toBeGreaterThan(100);
  });
});
