import type { Tx } from "./committer.js";
import type { Db, Row } from "./schema.js";

export async function findCredential(db: Db, appId: string, kind: string, name: string) {
  return await db
    .selectFrom("credential")
    .select(["user_id", "secret"])
    .where("app_id", "=", appId)
    .where("kind", "=", kind)
    .where("name", "=", name)
    .executeTakeFirst();
}

/** Whether a user has a credential of any kind. */
export async function hasCredential(db: Db, appId: string, userId: string): Promise<boolean> {
  const row = await db
    .selectFrom("credential")
    .select("kind")
    .where("app_id", "=", appId)
    .where("user_id", "=", userId)
    .executeTakeFirst();
  return row !== undefined;
}

export async function insertCredential(tx: Tx, credential: Omit<Row<"credential">, "app_id">): Promise<void> {
  await tx.db
    .insertInto("credential")
    .values({ ...credential, app_id: tx.appId })
    .execute();
}

/** The credentials of a user, by kind. */
export async function listCredentials(db: Db, appId: string, userId: string) {
  return await db
    .selectFrom("credential")
    .select(["kind", "name", "secret"])
    .where("app_id", "=", appId)
    .where("user_id", "=", userId)
    .orderBy("kind")
    .execute();
}

export async function deleteCredential(tx: Tx, kind: string, name: string): Promise<void> {
  await tx.db
    .deleteFrom("credential")
    .where("app_id", "=", tx.appId)
    .where("kind", "=", kind)
    .where("name", "=", name)
    .execute();
}

/** Replaces what a credential is checked with. */
export async function setCredentialSecret(tx: Tx, kind: string, name: string, secret: string): Promise<void> {
  await tx.db
    .updateTable("credential")
    .set({ secret })
    .where("app_id", "=", tx.appId)
    .where("kind", "=", kind)
    .where("name", "=", name)
    .execute();
}

/** Marks the id of a token as used and says whether it was fresh. */
export async function useToken(tx: Tx, tokenId: string, expireMs: number): Promise<boolean> {
  const result = await tx.db
    .insertInto("used_token")
    .values({ app_id: tx.appId, token_id: tokenId, expire_ms: expireMs })
    .onConflict((conflict) => conflict.columns(["app_id", "token_id"]).doNothing())
    .executeTakeFirst();
  return (result.numInsertedOrUpdatedRows ?? 0n) > 0n;
}
