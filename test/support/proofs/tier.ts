/** True in `npm run test:all`: the suites run at their full size. */
export const TIER_2: boolean = process.env.PARLEY_TEST_TIER === "2";

/** The size of a suite in each tier. */
export function sized(tier1: number, tier2: number): number {
  return TIER_2 ? tier2 : tier1;
}

/** A seed to say and repeat: PARLEY_SEED, or a new one. */
export function seed(): number {
  return Number(process.env.PARLEY_SEED ?? Math.floor(Math.random() * 2 ** 31));
}

/** What one test of a long suite may take, in milliseconds, on a machine that does other things too. */
export const longTimeout: number = sized(60_000, 1_800_000);
