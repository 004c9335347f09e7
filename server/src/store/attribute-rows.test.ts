import { fromJson, type JsonObject, toBinary } from "@bufbuild/protobuf";
import { StructSchema } from "@bufbuild/protobuf/wkt";
import { describe, expect, it } from "vitest";
import { fold, formsOf, MOST_ROWS, rowsOf } from "./attribute-rows.js";

const rows = (attributes: JsonObject, name = "") =>
  rowsOf("a", "u", "u:tom", { name, createMs: 5 }, toBinary(StructSchema, fromJson(StructSchema, attributes)));
const paths = (attributes: JsonObject) =>
  rows(attributes)
    .slice(1)
    .map(({ path, single }) => `${path}${single === 1 ? "" : " of a list"}`);

describe("the forms of a value", () => {
  it("sort as the values do, by kind and then by size or text", () => {
    const inOrder = [
      null,
      false,
      true,
      -1e300,
      -2,
      -1.5,
      -5e-324,
      0,
      5e-324,
      1,
      1.5,
      2,
      10,
      1e300,
      "",
      "A",
      "b",
      "ba",
      "𝒳",
    ];
    const folded = inOrder.map((value) => formsOf(value).folded);
    expect(folded.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))).toEqual(folded);
    expect(new Set(folded).size).toBe(inOrder.length);
    expect(formsOf(-0)).toEqual(formsOf(0));
  });

  it("are equal for equal values alone, however long", () => {
    const long = "x".repeat(300);
    const values = ["Tom", "tom", long, `${long}y`, `${long}z`, 1, "1", true, "true", null, "null", ""];
    expect(new Set(values.map((value) => JSON.stringify(formsOf(value)))).size).toBe(values.length);
    expect(formsOf("Tom").folded).toBe(formsOf("ＴＯＭ").folded);
  });

  it("hold the first 256 characters, and no half of one", () => {
    expect(fold("a".repeat(256))).toHaveLength(256);
    expect(fold("a".repeat(257))).toHaveLength(256);
    expect([...fold("😀".repeat(300))]).toHaveLength(256);
    expect(Buffer.from(fold("😀".repeat(300))).toString()).not.toContain("\ufffd");
  });
});

describe("the rows of a thing", () => {
  it("are its time, its name, and its attributes by their keys, lists by their elements", () => {
    expect(rows({}, "Tom").map(({ path }) => path)).toEqual(["u:create_time", "u:display_name"]);
    expect(paths({ a: 1, deep: { "b.c": { "\\": 2 } }, list: [1, [2], { x: 3 }], empty: {}, none: [] })).toEqual([
      "u:.a",
      "u:.deep.b\\.c.\\\\",
      "u:.list of a list",
      "u:.list of a list",
      "u:.list.x of a list",
    ]);
    // What is twice in a list is there once.
    expect(paths({ list: ["a", "a", "A"] })).toHaveLength(2);
  });

  it("are at most 256, of paths of at most 256 bytes", () => {
    const many = (length: number) => Object.fromEntries(Array.from({ length }, (_, at) => [`k${at}`, at]));
    expect(rows(many(MOST_ROWS - 1))).toHaveLength(256);
    expect(rows(many(MOST_ROWS))).toHaveLength(256);
    expect(paths({ ["é".repeat(128)]: 1 })).toHaveLength(1);
    expect(paths({ [`${"é".repeat(128)}x`]: 1 })).toHaveLength(0);
  });
});
