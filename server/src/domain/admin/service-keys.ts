import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { ListServiceKeysRequest } from "@parley/proto/parley/v1/admin_service_pb.js";
import { type ServiceKey, ServiceKeySchema } from "@parley/proto/parley/v1/app_pb.js";
import { insertServiceKey, listServiceKeys as listRows, revokeServiceKey as revokeRow } from "../../store/apps.js";
import type { Row } from "../../store/schema.js";
import type { OperatorCaller, ServiceCaller } from "../caller.js";
import type { Ctx } from "../context.js";
import { notFound } from "../errors.js";
import { newestFirst, nextPage, pageLimit } from "../page.js";
import { newServiceKey, tokenHash } from "../tokens.js";
import { findAppRecord } from "./app.js";

/** Who may manage the keys of an app: its own backend, or the operator. */
type Keeper = ServiceCaller | (OperatorCaller & { appId: string });

/** Makes a further service key; see AdminService.CreateServiceKey. */
export async function createServiceKey(ctx: Ctx, { appId }: Keeper, name: string) {
  await findAppRecord(ctx, appId);
  const serviceKey = newServiceKey();
  const id = ctx.newId();
  const createMs = await ctx.committer.run(appId, async (tx) => {
    await insertServiceKey(tx, { id, name, keyHash: tokenHash(serviceKey) });
    return tx.nowMs;
  });
  return { record: recordOf({ service_key_id: id, name, create_ms: createMs, revoke_ms: null }), serviceKey };
}

/** Lists the service keys, newest first; see AdminService.ListServiceKeys. */
export async function listServiceKeys(ctx: Ctx, { appId }: Keeper, request: ListServiceKeysRequest) {
  const limit = pageLimit(ctx, request.pageSize);
  const rows = await listRows(ctx.read, appId, newestFirst(request.pageToken), limit + 1);
  const { items, nextPageToken } = nextPage(rows, limit, (row) => [row.create_ms, row.service_key_id]);
  return { serviceKeys: items.map(recordOf), nextPageToken };
}

/** Makes a service key useless; on this node from the moment of the commit. See AdminService.RevokeServiceKey. */
export async function revokeServiceKey(ctx: Ctx, { appId }: Keeper, serviceKeyId: string): Promise<void> {
  await findAppRecord(ctx, appId);
  await ctx.committer.run(appId, async (tx) => {
    if (!(await revokeRow(tx, serviceKeyId))) throw notFound("service key", "service_key_id");
    tx.afterCommit(() => ctx.sessions.forget(appId, serviceKeyId));
  });
}

function recordOf(row: Pick<Row<"service_key">, "service_key_id" | "name" | "create_ms" | "revoke_ms">): ServiceKey {
  const record = create(ServiceKeySchema, {
    serviceKeyId: row.service_key_id,
    name: row.name,
    createTime: timestampFromMs(row.create_ms),
  });
  if (row.revoke_ms !== null) record.revokeTime = timestampFromMs(row.revoke_ms);
  return record;
}
