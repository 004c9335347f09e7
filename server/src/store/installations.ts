import type { Tx } from "./committer.js";
import type { Db, Row } from "./schema.js";

export type InstallationRow = Row<"installation">;

export async function findInstallation(
  db: Db,
  appId: string,
  installationId: string,
): Promise<InstallationRow | undefined> {
  return await db
    .selectFrom("installation")
    .selectAll()
    .where("app_id", "=", appId)
    .where("installation_id", "=", installationId)
    .executeTakeFirst();
}

/** The installations of a user, the latest bound first, before one of that order. */
export async function listInstallations(
  db: Db,
  appId: string,
  userId: string,
  before: { createMs: number; id: string } | undefined,
  limit: number,
): Promise<InstallationRow[]> {
  let query = db
    .selectFrom("installation")
    .selectAll()
    .where("app_id", "=", appId)
    .where("user_id", "=", userId)
    .orderBy("create_ms", "desc")
    .orderBy("installation_id", "desc");
  if (before !== undefined)
    query = query.where((e) =>
      e.or([
        e("create_ms", "<", before.createMs),
        e.and([e("create_ms", "=", before.createMs), e("installation_id", "<", before.id)]),
      ]),
    );
  return await query.limit(limit).execute();
}

/** Stores an installation in place of what was known of it. */
export async function putInstallation(tx: Tx, installation: Omit<InstallationRow, "app_id">): Promise<void> {
  const { installation_id: _, ...rest } = installation;
  await tx.db
    .insertInto("installation")
    .values({ ...installation, app_id: tx.appId })
    .onConflict((conflict) => conflict.columns(["app_id", "installation_id"]).doUpdateSet(rest))
    .execute();
}

export async function deleteInstallation(tx: Tx, installationId: string): Promise<void> {
  await tx.db
    .deleteFrom("installation")
    .where("app_id", "=", tx.appId)
    .where("installation_id", "=", installationId)
    .execute();
}

const NO_TOKEN = { push_provider: 0, push_token: "", push_environment: 0 } as const;

/** Takes a token from the installation that holds it, unless it is this one, and gives that one's id. */
export async function takeToken(
  tx: Tx,
  { push_provider, push_token, installation_id }: InstallationRow | Omit<InstallationRow, "app_id">,
): Promise<string | undefined> {
  const from = await tx.db
    .updateTable("installation")
    .set(NO_TOKEN)
    .where("app_id", "=", tx.appId)
    .where("push_token", "=", push_token)
    .where("push_provider", "=", push_provider)
    .where("push_token", "!=", "")
    .where("installation_id", "!=", installation_id)
    .returning("installation_id")
    .executeTakeFirst();
  return from?.installation_id;
}

/** Forgets a token that is good no more, unless the installation has another by now or was given this one again after a time. Says whether it was forgotten. */
export async function dropToken(
  tx: Tx,
  installationId: string,
  token: string,
  sinceMs: number | undefined,
): Promise<boolean> {
  let query = tx.db
    .updateTable("installation")
    .set(NO_TOKEN)
    .where("app_id", "=", tx.appId)
    .where("installation_id", "=", installationId)
    .where("push_token", "=", token);
  if (sinceMs !== undefined) query = query.where("token_ms", "<", sinceMs);
  return (await query.executeTakeFirst()).numUpdatedRows > 0n;
}
