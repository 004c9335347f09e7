/** The size of a suite: small for every change, full in `npm run test:all`. */
export function sized(tier1: number, tier2: number): number {
  return process.env.PARLEY_TEST_TIER === "2" ? tier2 : tier1;
}
