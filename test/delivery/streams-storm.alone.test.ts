import { it } from "vitest";
import { TIER_2 } from "../support/proofs/tier.js";
import { storm } from "./streams-storm.js";

it.runIf(TIER_2)(
  "S10: 5,000 streams that are cut at once come back to a restarted server, each with everything once",
  async (context) => {
    await storm(context, { streams: 5_000, sdks: 20 });
  },
  600_000,
);
