import { expect, test } from "vitest";
import { ErrorReason } from "./errors.js";
import { createOutwardGate } from "./outward-gate.js";

test("an app whose calls hang fills its own places alone", async () => {
  const gate = createOutwardGate({ atOnce: 2, queue: 1, retryDelayMs: 5 });
  let free = () => {};
  const hanging = new Promise<void>((resolve) => {
    free = resolve;
  });
  const calls = [1, 2, 3].map(() => gate("slow", () => hanging));
  await expect(gate("slow", async () => "never")).rejects.toMatchObject({ reason: ErrorReason.SERVER_BUSY });
  expect(await gate("other", async () => "at once")).toBe("at once");
  free();
  await Promise.all(calls);
  expect(await gate("slow", async () => "again")).toBe("again");
});
