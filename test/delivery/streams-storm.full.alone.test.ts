import { it } from "vitest";
import { storm } from "./streams-storm.js";

it("S10: 5,000 streams that are cut at once come back to a restarted server, each with everything once", async (context) => {
  await storm(context, { streams: 5_000, sdks: 20 });
}, 600_000);
