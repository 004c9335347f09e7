import { it } from "vitest";
import { seed } from "../support/proofs/tier.js";
import { PROOF_MS, proveModel } from "./proof.js";

// The other core's half of the second tier.
it(
  "M1: and beside it, by another seed",
  async (context) => {
    await proveModel(context, (seed() + 1) % 2 ** 31);
  },
  PROOF_MS,
);
