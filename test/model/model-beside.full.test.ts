import { it } from "vitest";
import { seed } from "../support/proofs/tier.js";
import { startHost } from "./host.js";
import { PROOF_MS, proveModel } from "./proof.js";

// The other core's half of the second tier.
it(
  "M1: and beside it, by another seed",
  async (context) => {
    const file = "test/model/model-beside.full.test.ts";
    await proveModel(context, { start: startHost, file, runs: 200, everyKind: true, seed: (seed() + 1) % 2 ** 31 });
  },
  PROOF_MS,
);
