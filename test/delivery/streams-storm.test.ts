import { it } from "vitest";
import { storm } from "./streams-storm.js";

it("S10: a few hundred streams that are cut at once come back to a restarted server, each with everything once", async (context) => {
  await storm(context, { streams: 300, sdks: 3 });
}, 240_000);
