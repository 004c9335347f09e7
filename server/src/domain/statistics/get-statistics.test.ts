import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { GetStatisticsRequestSchema, StatisticsResolution } from "@parley/proto/parley/v1/admin_service_pb.js";
import { expect, test } from "vitest";
import { fakeClock } from "../../../../test/support/fake-clock.js";
import { tempStore } from "../../../../test/support/temp-store.js";
import { LIMITS } from "../../limits.js";
import { addPushCounts } from "../../store/push-counts.js";
import type { Ctx } from "../context.js";
import { getStatistics } from "./get-statistics.js";
import { newTally } from "./tally.js";

test("the pushes of each day stand in its bucket, and in none of an hour", async () => {
  await using temp = await tempStore();
  const clock = fakeClock(Date.UTC(2030, 0, 3, 12));
  const today = Date.UTC(2030, 0, 3) / 86_400_000;
  await temp.committer.run("app", async (tx) => {
    await addPushCounts(tx, today - 3, { sent: 9 });
    await addPushCounts(tx, today - 1, { sent: 4, opened: 2, failed: 1 });
    await addPushCounts(tx, today - 1, { sent: 1 });
  });
  const ctx = {
    read: temp.store.read,
    clock,
    limits: LIMITS,
    presence: { countSessions: async () => 0, countUsers: async () => 0 },
    statistics: { waiting: () => ({ tallies: [newTally(0)], mark: 0 }) },
  } as unknown as Ctx;
  const caller = { kind: "service", appId: "app", serviceKeyId: "key" } as const;
  const ask = async (resolution: StatisticsResolution) => {
    const fromTime = timestampFromMs(Date.UTC(2030, 0, 1));
    return (await getStatistics(ctx, caller, create(GetStatisticsRequestSchema, { resolution, fromTime }))).buckets;
  };
  const sent = (await ask(StatisticsResolution.DAILY)).map(({ pushes }) => pushes);
  expect(sent.map((pushes) => [pushes?.sent, pushes?.opened, pushes?.failed])).toEqual([
    [0, 0, 0],
    [5, 2, 1],
    [0, 0, 0],
  ]);
  expect((await ask(StatisticsResolution.HOURLY)).every(({ pushes }) => pushes === undefined)).toBe(true);
});
