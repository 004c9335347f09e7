import { expect, test } from "vitest";
import { splitLinks, webAddress } from "./links.js";

const hrefs = (text: string) => splitLinks(text).flatMap(({ href }) => href ?? []);

test.each([
  "",
  "no address",
  "https://example.org",
  "  see http://a.example/x?y=1#z, or (https://b.example).\n\n",
  "https://https://https://",
  "http:// https://[ x",
  '<a href="javascript:alert(1)">https://a.example/</a>',
])("the parts of %j together are the text", (text) => {
  expect(
    splitLinks(text)
      .map((part) => part.text)
      .join(""),
  ).toBe(text);
});

test("addresses end before the punctuation of the sentence", () => {
  expect(hrefs("(see https://a.example/x.), https://b.example/?q=1!")).toEqual([
    "https://a.example/x",
    "https://b.example/?q=1",
  ]);
});

test.each(["javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "//a.example", "a.example", "", "http://"])(
  "%j is no web address",
  (text) => {
    expect(webAddress(text)).toBeUndefined();
    expect(hrefs(text)).toEqual([]);
  },
);
