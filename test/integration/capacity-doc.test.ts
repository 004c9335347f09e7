import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { LIMITS, TIMES } from "../../server/src/limits.js";
import { decodeCursor, encodeCursor } from "../../server/src/store/cursor.js";

const document = readFileSync(new URL("../../docs/capacity.md", import.meta.url), "utf8");
const [, model = ""] = /```js\n([\s\S]*?)```/.exec(document) ?? [];

test("the arithmetic of docs/capacity.md gives the table that follows it", () => {
  const printed = execFileSync(process.execPath, ["--input-type=module", "-e", model], { encoding: "utf8" });
  const table = document.split("```")[2]?.trimStart().split("\n\n")[0];
  expect(table).toBe(printed.trimEnd());
});

test("it reckons with the limits that there are", () => {
  expect(LIMITS.streams).toBe(20_000);
  expect(document).toContain("of 20,000 streams");
  const { pushesInFlight } = LIMITS;
  expect(document).toContain(`50 ms at the provider, at most ${pushesInFlight} at once for an app: 2,000 a second`);
  expect(pushesInFlight / 0.05).toBe(2000);
  expect(model).toContain(`c.deliveryMs / ${TIMES.heartbeatMs / 1000}`);
});

test("a cursor is a vector of one place", () => {
  const place = { generationId: "0011223344556677", pos: 7 };
  const cursor = encodeCursor("app", place);
  expect(decodeCursor("app", cursor)).toEqual(place);
  // Version, app, generation, how many positions, the positions; a checksum.
  expect(Buffer.from(cursor, "base64url")).toHaveLength(1 + 4 + 8 + 1 + 6 + 4);
});

test("every measurement that it leads to is there", () => {
  const leads = [...document.matchAll(/\]\(([^)#]+)\)/g)].map(([, path = ""]) => path);
  expect(leads.length).toBeGreaterThan(0);
  for (const path of leads)
    expect([path, existsSync(new URL(path, new URL("../../docs/", import.meta.url)))]).toEqual([path, true]);
});
