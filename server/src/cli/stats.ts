import { timestampDate, timestampFromDate } from "@bufbuild/protobuf/wkt";
import { AdminService, StatisticsResolution } from "@parley/proto/parley/v1/admin_service_pb.js";
import type { StatisticsBucket } from "@parley/proto/parley/v1/statistics_pb.js";
import { Command, InvalidArgumentError, Option } from "commander";
import type { Answer } from "./answer.js";
import { asBackend, type BackendOptions, backendOptions } from "./backend.js";
import { examples } from "./options.js";

interface Options extends BackendOptions {
  hourly?: boolean;
  daily?: boolean;
  from?: Date;
  to?: Date;
}

/** `parley stats`: how an app is used. */
export function statsCommand(): Command {
  return backendOptions(
    new Command("stats").description("show how an app is used: now, by the hour or by the day (UTC)"),
  )
    .addOption(new Option("--hourly", "a line for each hour; 24 of them when no span is given").conflicts("daily"))
    .option("--daily", "a line for each day; 30 of them when no span is given")
    .option("--from <time>", "beginning of the span, such as 2030-01-31 or 2030-01-31T12:00Z", timeOf)
    .option("--to <time>", "end of the span; now when it is not given", timeOf)
    .addHelpText("after", examples("parley stats", "parley stats --daily --from 2030-01-01 --json"))
    .action((options: Options) =>
      asBackend(options, "nothing counted", async (service) => {
        const { now, buckets } = await service(AdminService).getStatistics({
          resolution: resolutionOf(options),
          ...(options.from !== undefined && { fromTime: timestampFromDate(options.from) }),
          ...(options.to !== undefined && { toTime: timestampFromDate(options.to) }),
        });
        const lines = buckets.map(lineOf);
        if (options.hourly === true || options.daily === true) return lines;
        const { start: _, ...today } = lines[0] ?? {};
        return { online_users: now?.onlineUsers, sessions: now?.sessions, ...prefixed("today", today) };
      }),
    );
}

/** A time on the command line. */
export function timeOf(text: string): Date {
  const time = new Date(text);
  if (Number.isNaN(time.getTime()))
    throw new InvalidArgumentError("It is a time such as 2030-01-31 or 2030-01-31T12:00Z.");
  return time;
}

function resolutionOf({ hourly, daily }: Options): StatisticsResolution {
  if (hourly === true) return StatisticsResolution.HOURLY;
  return daily === true ? StatisticsResolution.DAILY : StatisticsResolution.NOW;
}

function lineOf(bucket: StatisticsBucket): Answer {
  const { startTime, messages, peakOnlineUsers, activeUsers, newUsers, mediaBytes, pushes } = bucket;
  return {
    start: startTime === undefined ? undefined : timestampDate(startTime).toISOString().slice(0, 16).concat("Z"),
    friends: messages?.friends,
    strangers: messages?.strangers,
    groups: messages?.groups,
    rooms: messages?.rooms,
    system: messages?.system,
    transient: messages?.transient,
    media_bytes: Number(mediaBytes),
    peak_online: peakOnlineUsers,
    active: activeUsers,
    new: newUsers,
    ...(pushes !== undefined && { pushed: pushes.sent, opened: pushes.opened, push_failed: pushes.failed }),
  };
}

function prefixed(prefix: string, answer: Answer): Answer {
  return Object.fromEntries(Object.entries(answer).map(([name, value]) => [`${prefix}_${name}`, value]));
}
