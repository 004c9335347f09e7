import { create } from "@bufbuild/protobuf";
import { type Timestamp, timestampFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import { type AuditEntry, AuditEntrySchema } from "@parley/proto/parley/v1/audit_entry_pb.js";
import { type AuditRow, listAuditEntries as listRows } from "../../store/audit.js";
import type { OperatorCaller, ServiceCaller } from "../caller.js";
import type { Ctx } from "../context.js";
import { newestFirst, nextPage, pageLimit } from "../page.js";
import type { Target } from "./targets.js";

/** ListAuditEntriesRequest or ListOperatorAuditEntriesRequest. */
interface AuditQuery {
  fromTime?: Timestamp | undefined;
  toTime?: Timestamp | undefined;
  method: string;
  pageSize: number;
  pageToken: string;
}

/** Lists what the caller's kind has changed: the service keys of its app, or the operator; see AdminService.ListAuditEntries. */
export async function listAuditEntries(ctx: Ctx, caller: ServiceCaller | OperatorCaller, request: AuditQuery) {
  const limit = pageLimit(ctx, request.pageSize);
  const filter = {
    of: caller.kind === "operator" ? ("operator" as const) : { appId: caller.appId },
    fromMs: msOf(request.fromTime),
    toMs: msOf(request.toTime),
    method: request.method === "" ? undefined : request.method,
  };
  const rows = await listRows(ctx.read, filter, newestFirst(request.pageToken), limit + 1);
  const { items, nextPageToken } = nextPage(rows, limit, (row) => [row.create_ms, row.entry_id]);
  return { entries: items.map(entryOf), nextPageToken };
}

const msOf = (time: Timestamp | undefined) => (time === undefined ? undefined : timestampMs(time));

function entryOf(row: AuditRow): AuditEntry {
  const targets = JSON.parse(row.targets) as Target[];
  return create(AuditEntrySchema, {
    entryId: row.entry_id,
    createTime: timestampFromMs(row.create_ms),
    serviceKeyId: row.service_key_id,
    method: row.method,
    targets: targets.map(([field, id]) => ({ field, id })),
    targetCount: row.target_count,
    outcome: row.outcome,
    reason: row.reason,
    requestId: row.request_id,
    address: row.address,
    appId: row.app_id,
  });
}
