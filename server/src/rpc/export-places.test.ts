import { expect, test } from "vitest";
import { DomainError } from "../domain/errors.js";
import { LIMITS } from "../limits.js";
import { createExportPlaces } from "./export-places.js";

test("as many exports of one app as allowed, one more when one is over, and another app's beside them", () => {
  const places = createExportPlaces(LIMITS);
  const open = Array.from({ length: LIMITS.exportsPerApp }, () => new AbortController());
  for (const { signal } of open) places.take("a", signal);
  const further = new AbortController();
  expect(() => places.take("a", further.signal)).toThrow(DomainError);
  places.take("b", further.signal);
  open[0]?.abort();
  places.take("a", new AbortController().signal);
  expect(() => places.take("a", new AbortController().signal)).toThrow("too many exports");
});
