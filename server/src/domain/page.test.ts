import { describe, expect, test } from "vitest";
import { LIMITS } from "../limits.js";
import { ErrorReason } from "./errors.js";
import { newestFirst, nextPage, pageLimit, pageToken, readPageToken } from "./page.js";

const refused = expect.objectContaining({
  reason: ErrorReason.INVALID_FIELD,
  facts: expect.objectContaining({ field: "page_token" }),
});

describe("page size", () => {
  test("0 means the default, and the limit holds", () => {
    const ctx = { limits: LIMITS };
    expect([0, 1, 100, 101].map((size) => pageLimit(ctx, size))).toEqual([20, 1, 100, 100]);
  });
});

describe("page token", () => {
  test("gives back what it was made of", () => {
    const values = ["Tom – \u{1f600}", 1_700_000_000_000, ""];
    expect(readPageToken(pageToken(...values), ["string", "number", "string"])).toEqual(values);
  });

  test("an empty one is the first page", () => expect(readPageToken("", ["string"])).toBeUndefined());

  test.each([
    ["of another call", pageToken("a", 1)],
    ["with too few values", pageToken()],
    ["with a fraction", pageToken(1.5)],
    ["with null", Buffer.from("[null]").toString("base64url")],
    ["that is no list", Buffer.from('{"0":1,"length":1}').toString("base64url")],
    ["that is no JSON", Buffer.from("[1").toString("base64url")],
    ["with other letters", `${pageToken(1)}=`],
    ["of garbage", "\u0000%"],
  ])("one %s is refused", (_, token) => {
    expect(() => readPageToken(token, ["number"])).toThrow(refused);
  });

  test("a NUL, which no id holds, is refused", () => {
    expect(() => readPageToken(pageToken("a\0"), ["string"])).toThrow(refused);
  });

  test("a place in a list that is newest first", () => {
    expect(newestFirst(pageToken(5, "x"))).toEqual({ createMs: 5, id: "x" });
    expect(newestFirst("")).toBeUndefined();
  });
});

describe("next page", () => {
  test("the row beyond the limit is not shown and makes the token", () => {
    const { items, nextPageToken } = nextPage([1, 2, 3], 2, (row) => [row]);
    expect(items).toEqual([1, 2]);
    expect(readPageToken(nextPageToken, ["number"])).toEqual([2]);
  });

  test("a page that is just full is the last", () => {
    expect(nextPage([1, 2], 2, (row) => [row])).toEqual({ items: [1, 2], nextPageToken: "" });
  });
});
