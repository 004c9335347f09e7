import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { ConnectError } from "@connectrpc/connect";
import { ErrorDetailSchema, ErrorReason } from "@parley/proto/parley/v1/error_detail_pb.js";
import { expect, it } from "vitest";
import { makeCrowd, openAll } from "../support/crowd.js";
import { eventually, login, type TestUser, withToken } from "../support/index.js";
import { count, must, say, toUser } from "../support/messaging.js";
import { freePort, spawnServer } from "../support/process-server.js";
import { figure } from "../support/proofs/figure.js";
import { sized } from "../support/proofs/tier.js";
import { TEMP_PARENT } from "../support/temp-parent.js";

const STREAMS = sized(100, 2_000);
const LANES = 8;
const SPREAD_MS = 3_000;
const OUT_MS = 10_000;

it(`S21: a graceful stop with ${STREAMS} streams and sends under way`, async (context) => {
  const dataDir = mkdtempSync(join(TEMP_PARENT, "parley-stop-"));
  const port = await freePort();
  let server = await spawnServer({ dataDir, port });
  const [tom, jerry] = [await login(server, "tom"), await login(server, "jerry")];
  const crowd = await makeCrowd(server, STREAMS);
  try {
    await openAll(crowd);
    const acked = new Map<string, number>();
    const unanswered: { id: string; by: string }[] = [];
    const lanes = count(LANES).map(async (lane) => {
      for (let at = 1; ; at++) {
        const id = `${lane}-${at}`;
        try {
          acked.set(id, (await say(tom, toUser(jerry.userId), id, { clientMessageId: id })).seq);
        } catch (error) {
          unanswered.push({ id, by: refuserOf(error) });
          return;
        }
      }
    });
    await eventually(() => expect(acked.size).toBeGreaterThan(100), 30_000);
    const began = performance.now();
    const exit = await server.stop();
    const outMs = performance.now() - began;
    const ends = await Promise.all(crowd.members.map((member) => member.ended));
    await Promise.all(lanes);

    expect(exit).toBe(0);
    expect(outMs).toBeLessThan(OUT_MS);
    for (const end of ends) expect(end.goodbye).toBe("DRAIN");
    const delays = ends.map(({ retryDelayMs }) => must(retryDelayMs));
    for (const delay of delays) expect(delay).toBeLessThanOrEqual(SPREAD_MS);
    // Spread over the whole span: each quarter of it has its share, far from all of them.
    for (const quarter of [0, 1, 2, 3]) {
      const within = delays.filter((delay) => Math.min(3, Math.floor((4 * delay) / SPREAD_MS)) === quarter);
      expect(within.length).toBeGreaterThan(STREAMS / 16);
    }
    expect(unanswered).toHaveLength(LANES);
    for (const { by } of unanswered) expect(["the network", "STORAGE_UNAVAILABLE"]).toContain(by);

    server = await spawnServer({ dataDir, port });
    const from: TestUser = { ...tom, rpc: withToken(server, tom.token) };
    const ackedBefore = acked.size;
    for (const { id } of unanswered)
      acked.set(id, (await say(from, toUser(jerry.userId), id, { clientMessageId: id })).seq);
    const stored = await storedIds(from, jerry.userId);
    expect([...acked].sort(([, a], [, b]) => a - b)).toEqual(stored);
    const lost =
      ackedBefore - stored.filter(([id]) => acked.has(id) && !unanswered.some((each) => each.id === id)).length;
    figure(
      context,
      `${STREAMS} of ${ends.length} streams told, out in ${(outMs / 1000).toFixed(1)} s, ${lost} of ${ackedBefore} acknowledged lost, ` +
        `${LANES} sends cut short settled by a resend`,
    );
  } finally {
    crowd.close();
    await server.kill();
    rmSync(dataDir, { recursive: true, force: true });
  }
}, 120_000);

/** What a send failed by: the cut connection, or a reason that the server gave. */
function refuserOf(error: unknown): string {
  const [detail] = ConnectError.from(error).findDetails(ErrorDetailSchema);
  return detail === undefined ? "the network" : ErrorReason[detail.reason];
}

/** The client ids of a whole conversation, in its order, with their seqs. */
async function storedIds(user: TestUser, peer: string): Promise<[string, number][]> {
  const stored: [string, number][] = [];
  for (;;) {
    const { messages } = await user.rpc.history.listMessages({
      peer: toUser(peer),
      position: { case: "afterSeq", value: stored.length },
      pageSize: 100,
    });
    if (messages.length === 0) return stored;
    for (const { clientMessageId, seq } of messages) stored.push([clientMessageId, seq]);
  }
}
