import type { Tx } from "./committer.js";
import type { Db, Row } from "./schema.js";

export async function findApp(db: Db, appId: string): Promise<Row<"app"> | undefined> {
  return await db.selectFrom("app").selectAll().where("app_id", "=", appId).executeTakeFirst();
}

export async function listApps(db: Db, after: string, limit: number): Promise<Row<"app">[]> {
  return await db.selectFrom("app").selectAll().where("app_id", ">", after).orderBy("app_id").limit(limit).execute();
}

export async function insertApp(tx: Tx, app: Omit<Row<"app">, "create_ms">): Promise<Row<"app">> {
  const row = { ...app, create_ms: tx.nowMs };
  await tx.db.insertInto("app").values(row).execute();
  return row;
}

/** Says whether the app of a transaction is the one that the first start makes: nodes that start together on an empty store make but one. */
export async function claimFirstApp(tx: Tx): Promise<boolean> {
  const result = await tx.db
    .insertInto("meta")
    .values({ name: "first_app", value: tx.appId })
    .onConflict((conflict) => conflict.column("name").doNothing())
    .executeTakeFirst();
  return (result.numInsertedOrUpdatedRows ?? 0n) > 0n;
}

export async function updateApp(
  tx: Tx,
  change: Partial<
    Pick<Row<"app">, "name" | "client_key" | "settings" | "token_keys" | "sms_gateway" | "oauth_providers">
  >,
): Promise<void> {
  if (Object.keys(change).length === 0) return;
  await tx.db.updateTable("app").set(change).where("app_id", "=", tx.appId).execute();
}

export async function insertServiceKey(tx: Tx, key: { id: string; name: string; keyHash: string }): Promise<void> {
  await tx.db
    .insertInto("service_key")
    .values({
      app_id: tx.appId,
      service_key_id: key.id,
      name: key.name,
      key_hash: key.keyHash,
      create_ms: tx.nowMs,
      revoke_ms: null,
    })
    .execute();
}

/** The service key of this hash that is not revoked, of whatever app. */
export async function findServiceKeyByHash(db: Db, keyHash: string) {
  return await db
    .selectFrom("service_key")
    .select(["app_id", "service_key_id"])
    .where("key_hash", "=", keyHash)
    .where("revoke_ms", "is", null)
    .executeTakeFirst();
}

/** The service keys of an app, newest first, before a key of that order. */
export async function listServiceKeys(
  db: Db,
  appId: string,
  before: { createMs: number; id: string } | undefined,
  limit: number,
): Promise<Row<"service_key">[]> {
  let query = db
    .selectFrom("service_key")
    .selectAll()
    .where("app_id", "=", appId)
    .orderBy("create_ms", "desc")
    .orderBy("service_key_id", "desc");
  if (before !== undefined)
    query = query.where((e) =>
      e.or([
        e("create_ms", "<", before.createMs),
        e.and([e("create_ms", "=", before.createMs), e("service_key_id", "<", before.id)]),
      ]),
    );
  return await query.limit(limit).execute();
}

/** Marks a key as revoked and says whether there is such a key. */
export async function revokeServiceKey(tx: Tx, serviceKeyId: string): Promise<boolean> {
  const key = tx.db
    .selectFrom("service_key")
    .select("revoke_ms")
    .where("app_id", "=", tx.appId)
    .where("service_key_id", "=", serviceKeyId);
  const found = await key.executeTakeFirst();
  if (found === undefined) return false;
  if (found.revoke_ms === null)
    await tx.db
      .updateTable("service_key")
      .set({ revoke_ms: tx.nowMs })
      .where("app_id", "=", tx.appId)
      .where("service_key_id", "=", serviceKeyId)
      .execute();
  return true;
}
