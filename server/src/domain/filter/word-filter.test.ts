import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { nextTurn } from "../next-turn.js";
import { foldedText } from "./fold.js";
import { SIMPLIFIED, TRADITIONAL } from "./simplified.js";
import { compileFilter, type FilterSettings } from "./word-filter.js";

const settings = (words: readonly string[], rest: Partial<FilterSettings> = {}): FilterSettings => ({
  enabled: true,
  action: "mask",
  mask: "*",
  useDefaultList: false,
  ignoreSeparators: false,
  words,
  ...rest,
});

async function screened(text: string, words: readonly string[], rest: Partial<FilterSettings> = {}) {
  const filter = await compileFilter(settings(words, rest), nextTurn);
  return filter === undefined ? "no filter" : filter.screen(text);
}

describe("folding", () => {
  test("makes one form of each character of Unicode, which folds to itself", () => {
    const wrong: string[] = [];
    // Beyond the planes that hold letters there is nothing that folds.
    for (let code = 1; code < 0x40000; code += 1) {
      if (code >= 0xd800 && code < 0xe000) continue;
      for (const ignore of [false, true]) {
        const once = foldedText(String.fromCodePoint(code), ignore);
        if (foldedText(once, ignore) !== once) wrong.push(`${code.toString(16)} ${ignore}`);
      }
    }
    expect(wrong).toEqual([]);
  }, 60_000);

  test("takes each traditional character for its simplified one, which stays", () => {
    const simplified = [...SIMPLIFIED];
    expect([...TRADITIONAL]).toHaveLength(simplified.length);
    expect(simplified.length).toBeGreaterThan(3_000);
    const wrong = [...TRADITIONAL].filter((character, at) => foldedText(character, false) !== simplified[at]);
    expect(wrong).toEqual([]);
    expect(simplified.filter((character) => foldedText(character, false) !== character)).toEqual([]);
  });

  test.each([
    ["case", "BAD Ünits", "bad ünits"],
    ["full width", "ＢＡＤ　１", "bad 1"],
    ["half-width kana with its mark", "ｶﾞ", "ガ"],
    ["composition", "cafe\u0301", "caf\u00e9"],
    ["marks in either order", "a\u0323\u0307", "a\u0307\u0323"],
    ["Hangul by its letters", "\u1112\u1161\u11ab", "한"],
    ["Hangul by its compatibility letters", "ㅎㅏ", "하"],
    ["ligatures and circles", "ﬁ①", "fi1"],
    ["final sigma", "ΛΟΓΟΣ", "λογος"],
    ["mathematical letters", "𝐛𝐚𝐝", "bad"],
    ["Traditional Chinese", "漢語發髮", "汉语发发"],
    ["what has no width", "b\u200ba\u2060d\ufeff\u00ad", "bad"],
    ["control characters", "b\u0007ad", "bad"],
  ])("does away with %s", (_, one, other) => {
    expect(foldedText(one, false)).toBe(foldedText(other, false));
  });

  test("keeps apart what is not the same letter", () => {
    for (const [one, other] of [
      ["é", "e"],
      ["が", "か"],
      ["ä", "a"],
      ["b d", "bd"],
      ["\n", ""],
    ] as const)
      expect(foldedText(one, false)).not.toBe(foldedText(other, false));
  });
});

describe("a filter", () => {
  test.each([
    ["a word anywhere", "so bad!", ["bad"], "so ***!"],
    ["words that overlap", "xabcdx", ["abc", "cd"], "x****x"],
    ["a word in a longer one", "abcd", ["bc", "abcd"], "****"],
    ["the longest of those that end together", "abc", ["c", "abc"], "***"],
    ["neighbours", "abab", ["ab"], "****"],
    ["the code points that are there, not those of the word", "𝐛𝐚𝐝 cafe\u0301", ["bad", "café"], "*** *****"],
    ["what has no width inside a word, and not beside it", "\u200bb\u200bad\u200b", ["bad"], "\u200b****\u200b"],
    ["in either script", "這是壞話,这是坏话", ["坏话"], "這是**,这是**"],
    ["a word in Traditional", "坏话", ["壞話"], "**"],
    ["emoji", "a😀b", ["😀"], "a*b"],
    ["nothing", "good", ["bad"], "good"],
  ])("masks %s", async (_, text, words, masked) => {
    expect(await screened(text, words)).toBe(masked);
  });

  test("looks through separators when it is to", async () => {
    expect(await screened("b.a-d b a d", ["bad"])).toBe("b.a-d b a d");
    expect(await screened("b.a-d, b a d!", ["bad"], { ignoreSeparators: true })).toBe("*****, *****!");
    expect(await screened("bad", ["b-a-d"], { ignoreSeparators: true })).toBe("***");
    expect(await screened("...", ["."], { ignoreSeparators: true })).toBe("no filter");
  });

  test("takes another mask, and never makes a text longer", async () => {
    expect(await screened("bad", ["bad"], { mask: "#" })).toBe("###");
    const text = "é".repeat(4096);
    expect(Buffer.byteLength((await screened(text, ["é"])) as string)).toBeLessThan(Buffer.byteLength(text));
  });

  test("rejects a text that holds a word, and gives every other as it is", async () => {
    expect(await screened("so BAD", ["bad"], { action: "reject" })).toBeUndefined();
    expect(await screened("so good", ["bad"], { action: "reject" })).toBe("so good");
  });

  test("reads a text of 8 KiB once, whatever the number of words", async () => {
    const words = Array.from({ length: 10_000 }, (_, at) => `w${at}z`);
    const text = "w123z w1234 w9999z ".repeat(432).slice(0, 8192);
    const masked = (await screened(text, words)) as string;
    expect(masked).toHaveLength(8192);
    expect(masked.match(/\*+/g)).toHaveLength(2 * 431);
    expect(masked.replaceAll(/\*+|w1234| /g, "")).toBe("w12");
  });

  test("is none when it is off or has nothing to look for", async () => {
    expect(await screened("bad", ["bad"], { enabled: false })).toBe("no filter");
    expect(await screened("bad", [])).toBe("no filter");
  });

  test("has a built-in list when it is to", async () => {
    expect(await screened("Casino  bonus, CASINO BONUS", [], { useDefaultList: true })).toBe(
      `Casino  bonus, ${"*".repeat(12)}`,
    );
    expect(await screened("代開發票", [], { useDefaultList: true })).toBe("****");
  });

  test("masks what looking for each word in the folded text finds", async () => {
    const letters = fc.constantFrom(
      "a",
      "B",
      "b",
      "é",
      "e\u0301",
      "中",
      "國",
      "国",
      "😀",
      "\u200b",
      "ｱ",
      "ﬁ",
      "f",
      "i",
    );
    const texts = (maxLength: number) => fc.array(letters, { minLength: 1, maxLength }).map((parts) => parts.join(""));
    const property = fc.asyncProperty(
      fc.array(texts(4), { minLength: 1, maxLength: 8 }),
      texts(30),
      async (words, text) => {
        const filtered = (await screened(text, words)) as string;
        const out = filtered === "no filter" ? text : filtered;
        const wanted = words.map((word) => foldedText(word, false)).filter((word) => word !== "");
        const holds = wanted.some((word) => foldedText(text, false).includes(word));
        expect(out !== text).toBe(holds);
        expect([...out]).toHaveLength([...text].length);
        // Nothing is left of any word, and what is not masked is as it was.
        for (const word of wanted) expect(foldedText(out, false)).not.toContain(word);
        for (const [at, character] of [...out].entries()) expect(["*", [...text][at]]).toContain(character);
      },
    );
    await fc.assert(property, { numRuns: 500 });
  });
});
