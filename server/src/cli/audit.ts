import { timestampDate, timestampFromDate } from "@bufbuild/protobuf/wkt";
import { AdminService } from "@parley/proto/parley/v1/admin_service_pb.js";
import { type AuditEntry, AuditOutcome } from "@parley/proto/parley/v1/audit_entry_pb.js";
import { ErrorReason } from "@parley/proto/parley/v1/error_detail_pb.js";
import { Command, InvalidArgumentError } from "commander";
import type { Answer } from "./answer.js";
import { asBackend, type BackendOptions, backendOptions } from "./backend.js";
import { examples } from "./options.js";
import { timeOf } from "./stats.js";

interface Options extends BackendOptions {
  from?: Date;
  to?: Date;
  method?: string;
  limit: number;
}

/** `parley audit`: what the service keys of an app have changed. */
export function auditCommand(): Command {
  return backendOptions(new Command("audit").description("list what the service keys of an app changed, newest first"))
    .option("--from <time>", "leave out what is older", timeOf)
    .option("--to <time>", "leave out what is as new or newer", timeOf)
    .option("--method <name>", "list one call alone, such as AdminService/SetTokenKeys")
    .option("--limit <number>", "the most to list", numberOf, 100)
    .addHelpText("after", examples("parley audit", "parley audit --method AdminService/SetWordFilter --json"))
    .action((options: Options) =>
      asBackend(options, "nothing changed", async (service) => {
        const admin = service(AdminService);
        const entries: AuditEntry[] = [];
        for (let pageToken = ""; entries.length < options.limit; ) {
          const page = await admin.listAuditEntries({
            ...(options.from !== undefined && { fromTime: timestampFromDate(options.from) }),
            ...(options.to !== undefined && { toTime: timestampFromDate(options.to) }),
            method: options.method === undefined ? "" : options.method.replace(/^(?!parley\.)/, "parley.v1."),
            pageSize: Math.min(100, options.limit - entries.length),
            pageToken,
          });
          entries.push(...page.entries);
          pageToken = page.nextPageToken;
          if (pageToken === "") break;
        }
        return entries.map(lineOf);
      }),
    );
}

function numberOf(text: string): number {
  if (!/^[1-9]\d{0,5}$/.test(text)) throw new InvalidArgumentError("It is a number from 1 to 999999.");
  return Number(text);
}

function lineOf(entry: AuditEntry): Answer {
  const { createTime, serviceKeyId, method, outcome, reason, targets, targetCount, address, requestId } = entry;
  const more = targetCount > targets.length ? [`and ${targetCount - targets.length} more`] : [];
  return {
    time: createTime === undefined ? undefined : timestampDate(createTime).toISOString(),
    service_key_id: serviceKeyId,
    method: method.replace("parley.v1.", ""),
    outcome: reason === ErrorReason.UNSPECIFIED ? AuditOutcome[outcome] : ErrorReason[reason],
    address,
    request_id: requestId,
    targets: [...targets.map(({ field, id }) => `${field}=${id}`), ...more].join(" "),
  };
}
