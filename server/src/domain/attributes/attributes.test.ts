import type { JsonObject } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { merge } from "./merge.js";
import { keysOf, valueAt } from "./path.js";

test.each<[JsonObject, JsonObject, JsonObject]>([
  // The examples of RFC 7396 that are objects.
  [{ a: "b" }, { a: "c" }, { a: "c" }],
  [{ a: "b" }, { b: "c" }, { a: "b", b: "c" }],
  [{ a: "b" }, { a: null }, {}],
  [{ a: "b", b: "c" }, { a: null }, { b: "c" }],
  [{ a: ["b"] }, { a: "c" }, { a: "c" }],
  [{ a: "c" }, { a: ["b"] }, { a: ["b"] }],
  [{ a: { b: "c" } }, { a: { b: "d", c: null } }, { a: { b: "d" } }],
  [{ a: [{ b: "c" }] }, { a: [1] }, { a: [1] }],
  [{ e: null }, { a: 1 }, { e: null, a: 1 }],
  [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
  [{ a: 1 }, {}, { a: 1 }],
])("%j merged with %j is %j", (old, patch, merged) => {
  const before = JSON.stringify(old);
  expect(merge(old, patch)).toEqual(merged);
  expect(JSON.stringify(old)).toBe(before);
});

test("a merge of what is there already changes nothing, not the order of keys either", () => {
  const old = { b: 1, a: { d: 2, c: 3 } };
  expect(JSON.stringify(merge(old, { a: { c: 3 }, b: 1 }))).toBe(JSON.stringify(old));
});

test.each<[string, string[]]>([
  ["a", ["a"]],
  ["a.b.0", ["a", "b", "0"]],
  ["a\\.b.c\\\\", ["a.b", "c\\"]],
  ["..", ["", "", ""]],
])("the path %s has the keys %j", (path, keys) => {
  expect(keysOf("path", path)).toEqual(keys);
});

test("a backslash before anything else is no path", () => {
  for (const path of ["\\", "a\\b", "a.\\"]) expect(() => keysOf("f", path)).toThrow("backslash");
});

test("a value is found by own keys and by places in lists, and by nothing inherited", () => {
  const root = { list: [{ a: null }, 2], deep: { "": false } };
  expect([valueAt(root, ["list", "0", "a"]), valueAt(root, ["list", "1"]), valueAt(root, ["deep", ""])]).toEqual([
    null,
    2,
    false,
  ]);
  for (const keys of [
    ["list", "2"],
    ["list", "01"],
    ["list", "length"],
    ["toString"],
    ["deep", "__proto__"],
    ["list", "1", "0"],
  ])
    expect(valueAt(root, keys), keys.join(".")).toBeUndefined();
});
