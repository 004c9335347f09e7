import { it } from "vitest";
import { startHost } from "./host.js";
import { PROOF_MS, proveModel } from "./proof.js";

it(
  "M1: every answer, event and store is as the reference model says, whatever is done through the SDK",
  async (context) => {
    await proveModel(context, { start: startHost, file: "test/model/model.test.ts", runs: 200, everyKind: true });
  },
  PROOF_MS,
);
