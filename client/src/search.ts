import { fromJson, type MessageInitShape } from "@bufbuild/protobuf";
import { ValueSchema } from "@bufbuild/protobuf/wkt";
import type { SearchFilterSchema } from "@parley/proto/parley/v1/attributes_pb.js";
import type { PageOptions } from "./page.js";

/**
 * A condition on one path: `display_name` (users), `name` (groups, rooms), or keys of the attributes joined by dots. `equals` tells upper from
 * lower case, `contains` (1 to 256 bytes) does not.
 */
export type SearchFilter =
  | { readonly path: string; readonly equals: string | number | boolean | null }
  | { readonly path: string; readonly contains: string };

/** What is looked for. A page may end early, even empty: go on while there is a `nextPageToken`. */
export interface SearchOptions extends PageOptions {
  /** The conditions, at most 5, all of which are to be met. */
  readonly filters?: readonly SearchFilter[];
  /** The order, by at most 3 paths, or `create_time`; a minus in front: falling. By default by rising id. */
  readonly sort?: readonly string[];
}

/** The request of a search. */
export function searchRequest({ filters = [], sort = [], ...page }: SearchOptions) {
  return { ...page, filters: filters.map(filterOf), sort: [...sort] };
}

function filterOf(filter: SearchFilter): MessageInitShape<typeof SearchFilterSchema> {
  const { path } = filter;
  if ("contains" in filter) return { path, condition: { case: "contains", value: filter.contains } };
  return { path, condition: { case: "equals", value: fromJson(ValueSchema, filter.equals) } };
}
