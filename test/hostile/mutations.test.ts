import { afterAll, beforeAll, expect, it, type TestContext } from "vitest";
import type { Codec } from "../conformance/wire.js";
import { figure } from "../support/proofs/figure.js";
import { seed, sized } from "../support/proofs/tier.js";
import { mutateBytes, mutateJson } from "./mutate.js";
import { createRandom } from "./random.js";
import { binaryOf, failures, METHODS, nameOf, seedsOf, unknownMethods } from "./seeds.js";
import { OURS, openTarget, type Target } from "./targets.js";
import { beside, seen, startVictim, type Victim } from "./victim.js";

const OPERATOR = "an-operator-token-of-the-tests";

let victim: Victim;
let open: Target;
beforeAll(async () => {
  victim = await startVictim({ PARLEY_OPERATOR_TOKEN: OPERATOR });
  open = await openTarget({ url: victim.url, operatorToken: OPERATOR });
});
afterAll(() => victim.stop());

it("H9: every method has a request in the corpus", () => {
  expect(unknownMethods()).toEqual([]);
});

it("H9: the corpus itself, JSON and binary, and what failed once, is never an error of the server's", async (context: TestContext) => {
  const codes = new Map<string, number>();
  let calls = 0;
  const check = async (method: (typeof METHODS)[number], codec: Codec, body: Uint8Array) => {
    const { code, message } = await open.call(method, codec, body);
    expect(OURS.has(code), `${nameOf(method)} ${code}: ${message}`).toBe(false);
    codes.set(code, (codes.get(code) ?? 0) + 1);
    calls += 1;
  };
  for (const method of METHODS)
    for (const json of seedsOf(method, open.names)) {
      await check(method, "json", Buffer.from(JSON.stringify(json)));
      await check(method, "proto", binaryOf(method, json));
    }
  for (const { method, codec, body } of failures(open.names)) await check(method, codec, body);
  expect(await open.readBack()).toEqual([]);
  expect(codes.get("ok"), "requests that are what real clients send").toBeGreaterThan(calls / 3);
  expect(victim.program.stderr()).not.toMatch(/"level":"(error|fatal)"/);
  figure(
    context,
    `${calls} requests of the corpus over ${METHODS.length} methods, ${codes.get("ok")} of them granted, 0 internal`,
  );
});

it("H9: mutated requests of every method are never an error of the server's", async (context: TestContext) => {
  const start = seed();
  const random = createRandom(start);
  const seeds = METHODS.map((method) => ({ method, jsons: seedsOf(method, open.names) }));
  const pool = seeds.flatMap(({ method, jsons }) => jsons.map((json) => binaryOf(method, json)));
  const texts = seeds.flatMap(({ jsons }) => jsons.map((json) => Buffer.from(JSON.stringify(json))));
  const total = sized(1_000, 100_000);
  const codes = new Map<string, number>();
  let done = 0;
  let slowestMs = 0;

  const one = async () => {
    const { method, jsons } = seeds[done % seeds.length] ?? random.of(seeds);
    done += 1;
    const json = random.of(jsons);
    const codec: Codec = random.below(2) === 0 ? "proto" : "json";
    const body =
      codec === "proto"
        ? mutateBytes(random, binaryOf(method, json), random.of(pool))
        : mutateJson(random, json, random.of(texts));
    const began = performance.now();
    const { code, message } = await open.call(method, codec, body);
    if (code !== "waiting") slowestMs = Math.max(slowestMs, performance.now() - began);
    codes.set(code, (codes.get(code) ?? 0) + 1);
    if (OURS.has(code))
      throw new Error(
        `PARLEY_SEED=${start}: ${nameOf(method)} answers ${code}: ${message}; for corpus/failures.json: ${JSON.stringify({ method: nameOf(method), codec, body: body.toString("base64") })}; the server says ${victim.program.stderr().slice(-3_000)}`,
      );
  };

  const outcome = await beside(victim, async () => {
    done = 0;
    const worker = async () => {
      while (done < total) await one();
    };
    await Promise.all(Array.from({ length: 12 }, worker));
    open.close();
  });
  expect(await open.readBack()).toEqual([]);
  const [granted = 0, invalid = 0, limited = 0] = ["ok", "invalid_argument", "resource_exhausted"].map((code) =>
    codes.get(code),
  );
  const refused = [...codes.values()].reduce((sum, times) => sum + times, 0) - granted;
  // Mutants that all fail to parse would prove little: a good part must come as far as the rules.
  expect(granted + refused - invalid - limited, JSON.stringify([...codes])).toBeGreaterThan(total / 12);
  expect(victim.program.stderr()).not.toMatch(/"level":"(error|fatal)"/);
  expect(outcome.rssGrowthMib).toBeLessThan(sized(150, 250));
  figure(
    context,
    `${granted + refused} mutants over ${METHODS.length} methods (seed ${start}): 0 internal, 0 uncaught, ${granted} granted, ${invalid} invalid, ${refused - invalid} refused otherwise, slowest ${Math.round(slowestMs)} ms; ${seen(outcome)}`,
  );
}, 1_800_000);
