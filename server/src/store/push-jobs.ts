import type { Tx } from "./committer.js";
import type { Db, Row } from "./schema.js";
import { snapshot } from "./snapshot.js";

export type PushJob = Omit<Row<"push_job">, "app_id">;

/** Queues pushes. One that is queued already stays as it is. */
export async function insertPushJobs(tx: Tx, jobs: readonly PushJob[]): Promise<void> {
  for (let at = 0; at < jobs.length; at += 100)
    await tx.db
      .insertInto("push_job")
      .values(jobs.slice(at, at + 100).map((job) => ({ ...job, app_id: tx.appId })))
      .onConflict((conflict) => conflict.columns(["app_id", "pos", "installation_id"]).doNothing())
      .execute();
}

/** The pushes whose time has come, the oldest first. One that waits for longer than anything may is due too: the clock was set back. */
export async function listDuePushJobs(
  db: Db,
  appId: string,
  nowMs: number,
  farMs: number,
  limit: number,
): Promise<PushJob[]> {
  return await db
    .selectFrom("push_job")
    .select(["pos", "installation_id", "user_id", "run_ms", "tries", "expire_ms"])
    .where("app_id", "=", appId)
    .where((e) => e.or([e("run_ms", "<=", nowMs), e("run_ms", ">", farMs)]))
    .orderBy("run_ms")
    .limit(limit)
    .execute();
}

/** When the next push is due. */
export async function nextPushMs(db: Db, appId: string, afterMs: number): Promise<number | undefined> {
  const row = await db
    .selectFrom("push_job")
    .select("run_ms")
    .where("app_id", "=", appId)
    .where("run_ms", ">", afterMs)
    .orderBy("run_ms")
    .limit(1)
    .executeTakeFirst();
  return row?.run_ms;
}

/** The apps that have something to push. */
export async function listPushingApps(db: Db): Promise<string[]> {
  const rows = await db.selectFrom("push_job").select("app_id").distinct().execute();
  return rows.map((row) => row.app_id);
}

/** What the last look before a hand-over sees, in one state of the store: the installation, its user's sessions, and whether the push was taken before. */
export async function readHandOver(
  db: Db,
  appId: string,
  job: Pick<PushJob, "installation_id" | "user_id">,
  pushId: string,
) {
  return await snapshot(db, async (at) => {
    const installation = await at
      .selectFrom("installation")
      .selectAll()
      .where("app_id", "=", appId)
      .where("installation_id", "=", job.installation_id)
      .executeTakeFirst();
    const sessions = await at
      .selectFrom("session")
      .select(["session_id as sessionId", "acked_pos as ackedPos", "create_ms as createMs"])
      .where("app_id", "=", appId)
      .where("user_id", "=", job.user_id)
      .execute();
    const sent = await at
      .selectFrom("push_sent")
      .select("push_id")
      .where("app_id", "=", appId)
      .where("push_id", "=", pushId)
      .executeTakeFirst();
    return { installation, sessions, sent: sent !== undefined };
  });
}

/** The token of an installation, empty when it has none or is not there. */
export async function findInstallationToken(db: Db, appId: string, installationId: string): Promise<string> {
  const row = await db
    .selectFrom("installation")
    .select("push_token")
    .where("app_id", "=", appId)
    .where("installation_id", "=", installationId)
    .executeTakeFirst();
  return row?.push_token ?? "";
}

export async function deletePushJob(tx: Tx, { pos, installation_id }: PushJob): Promise<void> {
  await tx.db
    .deleteFrom("push_job")
    .where("app_id", "=", tx.appId)
    .where("pos", "=", pos)
    .where("installation_id", "=", installation_id)
    .execute();
}

/** Forgets all that waits for an installation. */
export async function deletePushJobsOf(tx: Tx, installationId: string): Promise<void> {
  await tx.db
    .deleteFrom("push_job")
    .where("app_id", "=", tx.appId)
    .where("installation_id", "=", installationId)
    .execute();
}

export async function retryPushJob(
  tx: Tx,
  { pos, installation_id }: PushJob,
  runMs: number,
  tries: number,
): Promise<void> {
  await tx.db
    .updateTable("push_job")
    .set({ run_ms: runMs, tries })
    .where("app_id", "=", tx.appId)
    .where("pos", "=", pos)
    .where("installation_id", "=", installation_id)
    .execute();
}

export async function findPushTemplates(db: Db, appId: string): Promise<Uint8Array | undefined> {
  const row = await db.selectFrom("push_template").select("templates").where("app_id", "=", appId).executeTakeFirst();
  return row?.templates;
}

export async function putPushTemplates(tx: Tx, templates: Uint8Array): Promise<void> {
  const bytes = Buffer.from(templates);
  await tx.db
    .insertInto("push_template")
    .values({ app_id: tx.appId, templates: bytes })
    .onConflict((conflict) => conflict.column("app_id").doUpdateSet({ templates: bytes }))
    .execute();
}
