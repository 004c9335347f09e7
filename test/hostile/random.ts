import { random } from "../support/random.js";

/** Chance that can be repeated: the same seed gives the same numbers. */
export interface Random {
  /** A whole number from 0 up to, but not including, a bound. */
  below(bound: number): number;
  of<T>(items: readonly T[]): T;
}

export function createRandom(seed: number): Random {
  const below = random(seed);
  return {
    below,
    of(items) {
      const item = items[below(items.length)];
      if (item === undefined) throw new Error("nothing to choose from");
      return item;
    },
  };
}
