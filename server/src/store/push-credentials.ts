import type { Tx } from "./committer.js";
import type { Db, Row } from "./schema.js";

/** What is sealed of a credential, as JSON: all that its sender needs. Keys and certificates are PEM. */
export type PushSecret =
  | { kind: "apns_token"; key: string; keyId: string; teamId: string; topic: string }
  | { kind: "apns_certificate"; key: string; certificates: string; topic: string }
  | { kind: "fcm"; key: string; keyId: string; clientEmail: string; projectId: string };

/** Names one credential of an app. */
export type PushCredentialKey = Pick<Row<"push_credential">, "provider" | "environment">;

/** A credential without what is sealed of it. */
export type PushCredentialRow = Omit<Row<"push_credential">, "app_id" | "sealed">;

/** Stores a credential in place of the one before. */
export async function putPushCredential(tx: Tx, row: Omit<Row<"push_credential">, "app_id">): Promise<void> {
  const { provider: _, environment: __, ...change } = row;
  await tx.db
    .insertInto("push_credential")
    .values({ ...row, app_id: tx.appId })
    .onConflict((conflict) => conflict.columns(["app_id", "provider", "environment"]).doUpdateSet(change))
    .execute();
}

/** Removes a credential and says whether it was there. */
export async function removePushCredential(tx: Tx, key: PushCredentialKey): Promise<boolean> {
  const result = await tx.db
    .deleteFrom("push_credential")
    .where("app_id", "=", tx.appId)
    .where("provider", "=", key.provider)
    .where("environment", "=", key.environment)
    .executeTakeFirst();
  return result.numDeletedRows > 0n;
}

/** The credentials of an app, by provider and environment. */
export async function listPushCredentials(db: Db, appId: string): Promise<PushCredentialRow[]> {
  return await db
    .selectFrom("push_credential")
    .select([
      "provider",
      "environment",
      "kind",
      "fingerprint",
      "topic",
      "project_id",
      "key_id",
      "expire_ms",
      "create_ms",
    ])
    .where("app_id", "=", appId)
    .orderBy("provider")
    .orderBy("environment")
    .execute();
}

/** What is sealed of one credential. */
export async function findSealedPushCredential(
  db: Db,
  appId: string,
  key: PushCredentialKey,
): Promise<Uint8Array | undefined> {
  const row = await db
    .selectFrom("push_credential")
    .select("sealed")
    .where("app_id", "=", appId)
    .where("provider", "=", key.provider)
    .where("environment", "=", key.environment)
    .executeTakeFirst();
  return row?.sealed;
}

/** The names of the credentials of all apps, with what is another after each change. */
export async function listPushCredentialKeys(
  db: Db,
): Promise<(PushCredentialKey & { app_id: string; version: string })[]> {
  const rows = await db
    .selectFrom("push_credential")
    .select(["app_id", "provider", "environment", "fingerprint", "create_ms"])
    .execute();
  return rows.map(({ fingerprint, create_ms, ...key }) => ({ ...key, version: `${create_ms} ${fingerprint}` }));
}

/** The credentials of all apps that expire before a time. */
export async function listExpiringPushCredentials(db: Db, beforeMs: number) {
  return await db
    .selectFrom("push_credential")
    .select(["app_id", "provider", "environment", "topic", "expire_ms"])
    .where("expire_ms", "<", beforeMs)
    .orderBy("expire_ms")
    .execute();
}
