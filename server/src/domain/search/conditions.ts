import type { SearchFilter } from "@parley/proto/parley/v1/attributes_pb.js";
import { fold, formsOf, type Kind } from "../../store/attribute-rows.js";
import { type Condition, pathsOf, type Sort } from "../../store/search.js";
import { keysOf } from "../attributes/path.js";
import { invalidField } from "../errors.js";

/** The fields of a thing that are no attributes, by the names they are asked for with. */
const NAMES: Record<Kind, string> = { u: "display_name", g: "name", r: "name" };
const ATTRIBUTES = "attributes";

/** Reads the conditions of a search. Throws INVALID_FIELD. */
export function conditionsOf(kind: Kind, filters: readonly SearchFilter[]): Condition[] {
  return filters.map(({ path, condition }, at) => {
    const field = `filters[${at}]`;
    const name = pathOf(kind, `${field}.path`, path);
    if (name === pathsOf.createTime(kind))
      throw invalidField(`${field}.path`, "create_time can be sorted by and not filtered");
    if (condition.case === "contains") return { path: name, part: fold(condition.value) };
    const value = condition.case === "equals" ? condition.value.kind : undefined;
    switch (value?.case) {
      case "numberValue":
        if (!Number.isFinite(value.value)) throw invalidField(`${field}.equals`, "a number to compare with is finite");
        return { path: name, ...formsOf(value.value) };
      case "stringValue":
      case "boolValue":
        return { path: name, ...formsOf(value.value) };
      case "nullValue":
        return { path: name, ...formsOf(null) };
      default:
        throw invalidField(`${field}.equals`, "equals compares with a string, a number, a boolean or null");
    }
  });
}

/** Reads the order of a search. Throws INVALID_FIELD. */
export function sortsOf(kind: Kind, sort: readonly string[]): Sort[] {
  const sorts = sort.map((text, at) => {
    const falling = text.startsWith("-");
    const path = falling ? text.slice(1) : text;
    if (path === "") throw invalidField(`sort[${at}]`, "a minus stands before a path");
    return { path: pathOf(kind, `sort[${at}]`, path), falling };
  });
  const double = sorts.findIndex(({ path }, at) => sorts.findIndex((other) => other.path === path) < at);
  if (double >= 0) throw invalidField(`sort[${double}]`, "this path is named twice");
  return sorts;
}

/** The path of a field, or else of an attribute. */
function pathOf(kind: Kind, field: string, path: string): string {
  if (path === NAMES[kind]) return pathsOf.name(kind);
  if (path === "create_time") return pathsOf.createTime(kind);
  const keys = keysOf(field, path);
  return pathsOf.attribute(kind, keys[0] === ATTRIBUTES && keys.length > 1 ? keys.slice(1) : keys);
}
