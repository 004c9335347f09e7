import type { ReadLine } from "./lines.js";

/** What one call takes at most: items by the contract, and bytes of JSON well below what a request may hold. */
const MOST = { items: 500, bytes: 512 * 1024 };

/** Puts neighbouring lines together for one call, as long as they belong together and fit. */
export async function* batchesOf<T>(
  lines: AsyncIterable<ReadLine<T>>,
  options: { itemsOf(value: T): number; together(a: T, b: T): boolean },
): AsyncGenerator<ReadLine<T>[]> {
  let batch: ReadLine<T>[] = [];
  let [items, bytes] = [0, 0];
  for await (const line of lines) {
    const more = options.itemsOf(line.value);
    const [first] = batch;
    const fits = items + more <= MOST.items && bytes + line.bytes <= MOST.bytes;
    if (first !== undefined && !(fits && options.together(first.value, line.value))) {
      yield batch;
      batch = [];
      [items, bytes] = [0, 0];
    }
    batch.push(line);
    items += more;
    bytes += line.bytes;
  }
  if (batch.length > 0) yield batch;
}
