import { it } from "vitest";
import { PROOF_MS, proveModel } from "./proof.js";

it(
  "M1: every answer, event and store is as the reference model says, whatever is done through the SDK",
  async (context) => {
    await proveModel(context);
  },
  PROOF_MS,
);
