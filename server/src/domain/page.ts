import type { Ctx } from "./context.js";
import { invalidField } from "./errors.js";

type Value = string | number;

/** The number of items to return for a page_size. */
export function pageLimit(ctx: Pick<Ctx, "limits">, pageSize: number): number {
  return pageSize === 0 ? ctx.limits.pageDefaultItems : Math.min(pageSize, ctx.limits.pageItems);
}

/** The opaque token of the page that begins after these values. */
export function pageToken(...values: Value[]): string {
  return Buffer.from(JSON.stringify(values)).toString("base64url");
}

/** The values in a page token, of these kinds; undefined for an empty token, which is the first page. Throws INVALID_FIELD. */
export function readPageToken(
  token: string,
  kinds: readonly ("string" | "number")[],
  field = "page_token",
): Value[] | undefined {
  if (token === "") return undefined;
  const values = parse(token);
  if (values?.length !== kinds.length || !values.every((value, at) => fits(value, kinds[at])))
    throw invalidField(field, `${field} is not one that this call returned`);
  return values as Value[];
}

function fits(value: unknown, kind: "string" | "number" | undefined): boolean {
  if (kind === "number") return Number.isSafeInteger(value);
  // No stored text holds a NUL, and not every database takes one.
  return typeof value === "string" && !value.includes("\0");
}

function parse(token: string): unknown[] | undefined {
  const bytes = Buffer.from(token, "base64url");
  if (bytes.toString("base64url") !== token) return undefined;
  try {
    const values: unknown = JSON.parse(bytes.toString());
    return Array.isArray(values) ? values : undefined;
  } catch {
    return undefined;
  }
}

/** One page of the rows read with a limit one larger, and the token of the next when there is more. */
export function nextPage<T>(
  rows: readonly T[],
  limit: number,
  place: (row: T) => Value[],
): { items: readonly T[]; nextPageToken: string } {
  const last = rows[limit - 1];
  if (rows.length <= limit || last === undefined) return { items: rows, nextPageToken: "" };
  return { items: rows.slice(0, limit), nextPageToken: pageToken(...place(last)) };
}

/** The place in a list of what was made newest first: the time and id of the last item of the page before. */
export function newestFirst(token: string): { createMs: number; id: string } | undefined {
  const [createMs, id] = readPageToken(token, ["number", "string"]) ?? [];
  return typeof createMs === "number" && typeof id === "string" ? { createMs, id } : undefined;
}
