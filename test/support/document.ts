import { readFileSync } from "node:fs";

/** A block of code in a document. */
export interface Block {
  /** The heading that it stands under; a number follows from the second block under one heading on. */
  name: string;
  /** Such as `ts` or `sh`. */
  language: string;
  /** Whether it says that it does not work in this version. */
  notYet: boolean;
  code: string;
}

/** The text of a document, by its path from the root of the tree. */
export function readDocument(path: string): string {
  return readFileSync(new URL(`../../${path}`, import.meta.url), "utf8");
}

/** The blocks of code in a document, in order. */
export function blocksOf(markdown: string): Block[] {
  const blocks: Block[] = [];
  const counts = new Map<string, number>();
  let heading = "";
  for (const [whole, title, info = "", code = ""] of markdown.matchAll(/^#+ (.+)$|^```(.*)\n([\s\S]*?)^```$/gm)) {
    if (title !== undefined) heading = title;
    if (!whole.startsWith("```")) continue;
    const [language = "", ...marks] = info.split(" ");
    const count = (counts.get(heading) ?? 0) + 1;
    counts.set(heading, count);
    const name = count === 1 ? heading : `${heading} ${count}`;
    blocks.push({ name, language, notYet: marks.join(" ") === "not yet", code });
  }
  return blocks;
}
