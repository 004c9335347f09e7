import { h } from "./dom.js";

/** A piece of a text; with an address, it is a link. */
export interface TextPart {
  readonly text: string;
  readonly href?: string;
}

const candidate = /https?:\/\/[^\s<>"'`]+/gi;
const trailing = /[.,:;!?)\]}]+$/;

/** The address, if it is one of the web and nothing else. */
export function webAddress(text: string): string | undefined {
  const url = URL.parse(text);
  return url?.protocol === "http:" || url?.protocol === "https:" ? url.href : undefined;
}

/** Finds the web addresses in a text. The parts together are the text, byte for byte. */
export function splitLinks(text: string): TextPart[] {
  const parts: TextPart[] = [];
  let end = 0;
  for (const { 0: found, index } of text.matchAll(candidate)) {
    const address = found.replace(trailing, "");
    const href = webAddress(address);
    if (href === undefined) continue;
    if (index > end) parts.push({ text: text.slice(end, index) });
    parts.push({ text: address, href });
    end = index + address.length;
  }
  if (end < text.length) parts.push({ text: text.slice(end) });
  return parts;
}

/** Shows a text with its links, which tell the other site nothing of this page. */
export function textNodes(parts: readonly TextPart[]): Node[] {
  return parts.map(({ text, href }) =>
    href === undefined
      ? document.createTextNode(text)
      : h("a", { href, target: "_blank", rel: "noopener noreferrer nofollow" }, text),
  );
}
