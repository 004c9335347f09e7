import { afterAll, describe, expect, test } from "vitest";
import type { Contestant } from "../bench/contestant.js";
import { grpcJs } from "../bench/contestants/grpc-js.js";
import { parleyRpc } from "../bench/contestants/parley-rpc.js";
import { parleySdk } from "../bench/contestants/parley-sdk.js";
import { parleyMain as builtMain } from "../bench/contestants/parley-server.js";
import { socketio } from "../bench/contestants/socketio.js";
import { createLedger, makeText } from "../bench/ledger.js";
import { measure } from "../bench/measure.js";
import { removeSeeds } from "../bench/seed.js";
import { smallest, type Workload } from "../bench/workloads.js";
import { parleyMain } from "../support/one-file.js";
import { TIER_2 } from "../support/proofs/tier.js";

/** In the first tier the fewest rows that go through every kind of workload and every client. */
const everywhere = [parleyRpc("connect-h2", "single")];
const forSends = [socketio, parleyRpc("plain-h1", "batched"), parleySdk];
const everything = [socketio, grpcJs, ...everywhere, ...forSends.slice(1)];

const rowsOf = (workload: Workload) => {
  const rows = TIER_2 ? everything : workload.kind === "send" ? forSends : everywhere;
  return rows.filter((contestant) => contestant.suits(workload)).map(quickly);
};

/** With the server that the suites start, which is up sooner than what is shipped. */
function quickly(contestant: Contestant): Contestant {
  const launch: Contestant["launch"] = (...given) => {
    const plan = contestant.launch(...given);
    return plan.script === builtMain ? { ...plan, script: parleyMain } : plan;
  };
  return { ...contestant, launch };
}

afterAll(removeSeeds);

/** Counts and order only: the harness throws on what is lost, doubled or out of order. Speeds are for `npm run bench`. */
describe.each(smallest)("the bench under $name", (workload) => {
  test.each(rowsOf(workload))("$name", async (contestant) => {
    const result = await measure(contestant, workload, { warmUpMs: 50, measureMs: 100 });
    expect(result.checked).toBeGreaterThan(0);
    for (const { key } of workload.columns) expect(result.figures[key], key).toBeGreaterThanOrEqual(0);
  });
});

describe("the bench's checks", () => {
  function ledgerOf(keepsOrder: boolean, texts: number) {
    const done: number[] = [];
    const ledger = createLedger({ name: "bench", receivers: 2, keepsOrder, onComplete: (at) => void done.push(at) });
    for (let number = 1; number <= texts; number += 1) ledger.begin(number);
    return {
      ledger,
      done,
      deliver: (receiver: number, sequence: number, number = sequence) =>
        ledger.deliver(receiver, { sequence, text: makeText(number, 200) }),
    };
  }

  test("a text is done when all receivers have it and the sender its acknowledgement", () => {
    const { ledger, done, deliver } = ledgerOf(true, 1);
    deliver(0, 1);
    ledger.acknowledge(1, 1);
    expect(() => ledger.checkComplete()).toThrow("lost");
    deliver(1, 1);
    expect(done).toEqual([1]);
    ledger.checkComplete();
  });

  test("a doubled, a skipped and a swapped text are found", () => {
    const { deliver } = ledgerOf(true, 3);
    deliver(0, 1);
    expect(() => deliver(0, 1)).toThrow("doubled");
    expect(() => deliver(0, 3)).toThrow("lost");
    expect(() => deliver(0, 2, 3)).toThrow("out of order");
  });

  test("where calls may overtake each other, all still agree on one order", () => {
    const { ledger, deliver } = ledgerOf(false, 2);
    deliver(0, 1, 2);
    ledger.acknowledge(2, 1);
    expect(() => deliver(1, 1, 1)).not.toThrow();
    expect(() => deliver(1, 2, 2)).toThrow("others at 1");
  });
});
