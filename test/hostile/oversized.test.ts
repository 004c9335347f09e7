import type { DescField } from "@bufbuild/protobuf";
import { afterAll, beforeAll, expect, it, type TestContext } from "vitest";
import type { Answer } from "../conformance/wire.js";
import { refusal } from "../support/errors.js";
import { newUser, startTestServer, type TestServer } from "../support/index.js";
import { send, toUser } from "../support/messaging.js";
import { figure } from "../support/proofs/figure.js";
import { TIER_2 } from "../support/proofs/tier.js";
import { type Place, placesOf, sizeLimit, withValue } from "./fields.js";
import { METHODS, nameOf, seedsOf } from "./seeds.js";
import { openTarget, type Target } from "./targets.js";

let server: TestServer;
let open: Target;
beforeAll(async () => {
  server = await startTestServer({
    settings: { sendRate: 20 },
    limits: { changeBurst: 1_000_000, loginTries: 1_000_000 },
  });
  open = await openTarget(server);
});
afterAll(async () => {
  open.close();
  await server.close();
});

/** A value of a field that is as large as told, in bytes or items. */
function ofSize({ field }: Place, size: number, base: unknown): unknown {
  if (field.fieldKind !== "list")
    return /url$/i.test(field.name) ? "https://x.example/".padEnd(size, "a") : "a".repeat(size);
  return Array<unknown>(size).fill(base);
}

/** The JSON value that stands at a place of a request, the first of a list. */
function valueAt(request: unknown, { steps }: Place): unknown {
  return steps.reduce<unknown>((value, step) => {
    const inner = (value as Record<string, unknown>)[step.jsonName];
    return Array.isArray(inner) ? inner[0] : inner;
  }, request);
}

it("H13: every size in the contract holds at its edge and not one past it, TOO_LARGE without a delay", async (context: TestContext) => {
  const wrong: string[] = [];
  let limits = 0;
  const seen = new Set<DescField>();
  for (const method of METHODS) {
    const [base = {}] = seedsOf(method, open.names);
    for (const place of placesOf(method.input)) {
      const limit = sizeLimit(place.field);
      // In the first tier the fields of a message that many methods take are tried in one.
      if (limit === undefined || (!TIER_2 && seen.has(place.field))) continue;
      seen.add(place.field);
      limits += 1;
      // Another value first, so that all that is around the field is there.
      const around = withValue(base, place, place.field.fieldKind === "list" ? [ITEMS[place.field.name] ?? "a"] : "a");
      const ask = async (size: number): Promise<Answer> => {
        const value = ofSize(place, size, valueAt(around, place));
        return await open.call(method, "json", Buffer.from(JSON.stringify(withValue(around, place, value))));
      };
      const [edge, past] = [await ask(limit.most), await ask(limit.most + 1)];
      const name = `${nameOf(method)} ${place.name} ${limit.most}`;
      if (edge.reason === "TOO_LARGE" || edge.code === "internal")
        wrong.push(`${name}: ${edge.code} ${edge.reason} ${edge.message}`);
      const told = past.detail;
      if (
        past.reason !== "TOO_LARGE" ||
        past.code !== "resource_exhausted" ||
        told?.field !== place.name ||
        told.metadata.limit !== String(limit.most)
      )
        wrong.push(`${name} and one more: ${past.code} ${past.reason} ${past.field} ${past.message}`);
      if (told?.retryDelay !== undefined || told?.retryable === true) wrong.push(`${name}: a delay`);
    }
  }
  expect(wrong).toEqual([]);
  expect(limits).toBeGreaterThan(60);
  figure(context, `${limits} sizes of the contract at n and n + 1`);
});

/** Items that a list may hold, where "a" is none. */
const ITEMS: Readonly<Record<string, unknown>> = {
  kinds: "EVENT_KIND_MESSAGE_CREATED",
  users: { userId: "a" },
  requests: { receiver: { userId: "a" }, content: { text: { text: "x" } } },
  keys: { hs256Secret: "a secret of thirty-two bytes or more" },
};

it("H13: RATE_LIMITED has the same code and is told apart: it may be retried, after a delay", async () => {
  const busy = await startTestServer({ settings: { sendRate: 1 }, limits: { sendBurstMessages: 5 } });
  try {
    const [tom, jerry] = [await newUser(busy, "tom"), await newUser(busy, "jerry")];
    const sends = Array.from({ length: 40 }, (_, at) => send(tom, toUser(jerry.userId), `${at}`));
    const refused = (
      await Promise.all(
        sends.map((each) =>
          each.then(
            () => undefined,
            () => refusal(each),
          ),
        ),
      )
    ).find(Boolean);
    expect(refused).toMatchObject({ code: "ResourceExhausted", reason: "RATE_LIMITED" });
    expect(refused?.detail.retryable).toBe(true);
    expect(refused?.detail.retryDelay).toBeDefined();
  } finally {
    await busy.close();
  }
});
