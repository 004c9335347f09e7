// Writes server/src/domain/filter/simplified.ts, which folds Traditional Chinese into Simplified, out of the character table of an installed package.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import characters from "opencc-js/dict/TSCharacters";
import { run } from "./run.mjs";

const out = join(import.meta.dirname, "../server/src/domain/filter/simplified.ts");
const simplified = new Map(characters.split("|").map((pair) => pair.split(" ")));
const from = [...simplified.keys()].filter((character) => character !== finalForm(character));

/** A few characters lead to another that has a simpler form itself. */
function finalForm(character) {
  const next = simplified.get(character);
  return next === undefined || next === character ? character : finalForm(next);
}

writeFileSync(
  out,
  `// Written by scripts/generate-simplified.mjs, never by hand: the characters of OpenCC's TSCharacters (Apache-2.0).

/** Traditional characters. */
export const TRADITIONAL = "${from.join("")}";

/** The simplified form of each, in the same order. */
export const SIMPLIFIED = "${from.map(finalForm).join("")}";
`,
);
run("biome", ["format", "--write", out]);
