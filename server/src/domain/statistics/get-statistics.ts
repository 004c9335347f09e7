import { create } from "@bufbuild/protobuf";
import { type Timestamp, timestampFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import { type GetStatisticsRequest, StatisticsResolution } from "@parley/proto/parley/v1/admin_service_pb.js";
import {
  PushCountsSchema,
  type StatisticsBucket,
  StatisticsBucketSchema,
} from "@parley/proto/parley/v1/statistics_pb.js";
import { listPushCounts } from "../../store/push-counts.js";
import { type Addition, countUnmarked, dayOf, findCounted, hourOf, readStatistics } from "../../store/statistics.js";
import type { ServiceCaller } from "../caller.js";
import type { Ctx } from "../context.js";
import { invalidField } from "../errors.js";
import { tallyUncounted } from "./count-log.js";
import { additionsOf, merge, newTally } from "./tally.js";

const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;
const DEFAULT_HOURS = 24;
const DEFAULT_DAYS = 30;

/** The buckets to tell: the starts of the first and the last, and how far they are apart. */
interface Span {
  span: "h" | "d";
  fromMs: number;
  toMs: number;
  stepMs: number;
}

/** Tells how the app is used; see AdminService.GetStatistics. */
export async function getStatistics(ctx: Ctx, { appId }: ServiceCaller, request: GetStatisticsRequest) {
  const nowMs = ctx.clock.now();
  const span = spanOf(ctx, request, nowMs);
  const counts = await countsOf(ctx, appId, span);
  const pushes = span.span === "d" ? await pushesOf(ctx, appId, span) : undefined;
  const buckets: StatisticsBucket[] = [];
  for (let startMs = span.fromMs; startMs <= span.toMs; startMs += span.stepMs) {
    const bucket = bucketOf(startMs, counts.get(startMs));
    if (pushes !== undefined) bucket.pushes = create(PushCountsSchema, pushes.get(startMs) ?? {});
    buckets.push(bucket);
  }
  const now = {
    onlineUsers: await ctx.presence.countUsers(appId),
    sessions: await ctx.presence.countSessions(appId),
    observeTime: timestampFromMs(nowMs),
  };
  return { now, buckets };
}

function spanOf(ctx: Ctx, { resolution, fromTime, toTime }: GetStatisticsRequest, nowMs: number): Span {
  if (resolution === StatisticsResolution.HOURLY)
    return between(hourOf, "h", HOUR_MS, { fromTime, toTime, nowMs }, DEFAULT_HOURS, ctx.limits.statisticsHours);
  if (resolution === StatisticsResolution.DAILY)
    return between(dayOf, "d", DAY_MS, { fromTime, toTime, nowMs }, DEFAULT_DAYS, ctx.limits.statisticsDays);
  return { span: "d", fromMs: dayOf(nowMs), toMs: dayOf(nowMs), stepMs: DAY_MS };
}

function between(
  startOf: (ms: number) => number,
  span: "h" | "d",
  stepMs: number,
  { fromTime, toTime, nowMs }: { fromTime: Timestamp | undefined; toTime: Timestamp | undefined; nowMs: number },
  usual: number,
  most: number,
): Span {
  // Nothing was counted before 1970, and the first moments that a Timestamp can tell have none before them.
  const place = (ms: number) => Math.max(0, startOf(ms));
  const toMs = place(toTime === undefined ? nowMs : timestampMs(toTime));
  const fromMs = place(fromTime === undefined ? toMs - (usual - 1) * stepMs : timestampMs(fromTime));
  if (fromMs > toMs) throw invalidField("to_time", "to_time is before from_time");
  if ((toMs - fromMs) / stepMs >= most)
    throw invalidField("to_time", `the span is longer than ${most} ${span === "h" ? "hours" : "days"}`);
  return { span, fromMs, toMs, stepMs };
}

async function pushesOf(ctx: Ctx, appId: string, { fromMs, toMs }: Span) {
  const days = await listPushCounts(ctx.read, appId, fromMs / DAY_MS, toMs / DAY_MS);
  return new Map(days.map(({ day, sent, opened, failed }) => [day * DAY_MS, { sent, opened, failed }]));
}

type Counts = Map<number, Map<string, number>>;

/** What is stored and what is still in memory, as of one moment. */
async function countsOf(ctx: Ctx, appId: string, span: Span): Promise<Counts> {
  for (;;) {
    const { tallies, mark } = ctx.statistics.waiting(appId);
    const waiting = newTally();
    for (const tally of tallies) merge(waiting, tally);
    // Where several nodes share a store the log is counted by one of them, a little later.
    const rest = ctx.shared ? await tallyUncounted(ctx.read, appId) : undefined;
    if (rest !== undefined) merge(waiting, rest.tally);
    const counts: Counts = new Map();
    for (const { start_ms, name, value } of await readStatistics(ctx.read, appId, span.span, span.fromMs, span.toMs))
      put(counts, { startMs: start_ms, name, value, as: "sum" });
    for (const addition of await additionsOf(ctx.read, appId, waiting))
      if (addition.span === span.span) put(counts, addition);
    if (span.span === "d")
      for (const [dayMs, users] of waiting.active) {
        const value = await countUnmarked(ctx.read, appId, dayMs, [...users]);
        put(counts, { startMs: dayMs, name: "active_users", value, as: "sum" });
      }
    // If some was written meanwhile, it may be missing here, or be here twice.
    const isSame = rest === undefined || (await findCounted(ctx.read, appId)) === rest.countedPos;
    if (isSame && ctx.statistics.waiting(appId).mark === mark) return counts;
  }
}

function put(counts: Counts, { startMs, name, value, as }: Omit<Addition, "span">): void {
  const bucket = counts.get(startMs) ?? new Map<string, number>();
  counts.set(startMs, bucket);
  const before = bucket.get(name) ?? 0;
  bucket.set(name, as === "sum" ? before + value : Math.max(before, value));
}

function bucketOf(startMs: number, counts: ReadonlyMap<string, number> = new Map()): StatisticsBucket {
  const get = (name: string) => counts.get(name) ?? 0;
  return create(StatisticsBucketSchema, {
    startTime: timestampFromMs(startMs),
    messages: {
      friends: get("messages_friends"),
      strangers: get("messages_strangers"),
      groups: get("messages_groups"),
      rooms: get("messages_rooms"),
      system: get("messages_system"),
      transient: get("messages_transient"),
    },
    contents: {
      text: get("content_text"),
      image: get("content_image"),
      audio: get("content_audio"),
      video: get("content_video"),
      file: get("content_file"),
      location: get("content_location"),
      custom: get("content_custom"),
      notice: get("content_notice"),
    },
    mediaBytes: BigInt(get("media_bytes")),
    peakOnlineUsers: get("peak_online_users"),
    activeUsers: get("active_users"),
    newUsers: get("new_users"),
  });
}
