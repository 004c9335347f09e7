import { ParleyError } from "./errors.js";

/** Which page of a list is asked for. */
export interface PageOptions {
  /** The largest number of items: 1 to 100; by default 20. */
  readonly pageSize?: number;
  /** The `nextPageToken` of the page before; absent for the first. */
  readonly pageToken?: string;
}

/** How much of each item is asked for: the ids alone, or everything (`detail`). */
export interface DetailOptions {
  readonly detail?: boolean;
}

/** Reads all pages of a list, in order. */
export async function allPages<T>(
  read: (page: Required<PageOptions>) => Promise<{ items: T[]; nextPageToken: string }>,
): Promise<T[]> {
  const items: T[] = [];
  let pageToken = "";
  do {
    const page = await read({ pageSize: 100, pageToken });
    items.push(...page.items);
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  return items;
}

/** The resource of a response, which the contract promises. */
export function present<T>(resource: T | undefined): T {
  if (resource === undefined) throw new ParleyError("UNKNOWN", "the answer lacks what was asked for");
  return resource;
}
