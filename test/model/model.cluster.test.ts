import { it } from "vitest";
import { TIER_2 } from "../support/proofs/tier.js";
import { startClusterHost } from "./cluster-host.js";
import { PROOF_MS, proveModel } from "./proof.js";

it(
  "M1: and so on three nodes, whichever of them a call or a stream comes to",
  async (context) => {
    const file = "test/model/model.cluster.test.ts";
    await proveModel(context, { start: startClusterHost, file, runs: 3, everyKind: TIER_2 });
  },
  PROOF_MS,
);
