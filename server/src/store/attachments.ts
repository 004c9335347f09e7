import type { Tx } from "./committer.js";
import type { Db, Row } from "./schema.js";

export type AttachmentRow = Row<"attachment">;

/** An attachment that nobody has begun to complete. */
export type NewAttachment = Omit<AttachmentRow, "attempt">;

export async function insertAttachment(tx: Tx, row: NewAttachment): Promise<void> {
  await tx.db.insertInto("attachment").values(row).execute();
}

export async function findAttachment(db: Db, appId: string, attachmentId: string): Promise<AttachmentRow | undefined> {
  return await db
    .selectFrom("attachment")
    .selectAll()
    .where("app_id", "=", appId)
    .where("attachment_id", "=", attachmentId)
    .executeTakeFirst();
}

export async function findAttachments(
  db: Db,
  appId: string,
  attachmentIds: readonly string[],
): Promise<Map<string, AttachmentRow>> {
  const rows = await db
    .selectFrom("attachment")
    .selectAll()
    .where("app_id", "=", appId)
    .where("attachment_id", "in", attachmentIds)
    .execute();
  return new Map(rows.map((row) => [row.attachment_id, row]));
}

/** What an owner's attachments take of its quota, in bytes. */
export async function sumCharged(db: Db, appId: string, ownerUserId: string): Promise<number> {
  const row = await db
    .selectFrom("attachment")
    .select((e) => e.fn.sum<number | null>("charged_bytes").as("bytes"))
    .where("app_id", "=", appId)
    .where("owner_user_id", "=", ownerUserId)
    .executeTakeFirstOrThrow();
  return Number(row.bytes ?? 0);
}

/** Writes down which attempt to complete an attachment is the last one. */
export async function setAttempt(tx: Tx, attachmentId: string, attempt: number): Promise<void> {
  await tx.db
    .updateTable("attachment")
    .set({ attempt })
    .where("app_id", "=", tx.appId)
    .where("attachment_id", "=", attachmentId)
    .execute();
}

/** Makes an attachment one that can be sent. */
export async function completeAttachment(
  tx: Tx,
  attachmentId: string,
  facts: Pick<AttachmentRow, "width" | "height" | "thumbnail">,
): Promise<void> {
  await tx.db
    .updateTable("attachment")
    .set({ ...facts, complete: 1 })
    .where("app_id", "=", tx.appId)
    .where("attachment_id", "=", attachmentId)
    .execute();
}

/** The attachments that no message uses and that were begun before a time, at most `most` complete ones or unfinished ones. */
export async function listUnused(db: Db, appId: string, complete: 0 | 1, beforeMs: number, most: number) {
  return await db
    .selectFrom("attachment")
    .select("attachment_id")
    .where("app_id", "=", appId)
    // A literal, or its index, which holds these alone, would not be used.
    .where((e) => e("used", "=", e.lit(0)))
    .where("complete", "=", complete)
    .where("create_ms", "<=", beforeMs)
    .limit(most)
    .execute();
}

export async function deleteAttachments(tx: Tx, attachmentIds: readonly string[]): Promise<void> {
  await tx.db
    .deleteFrom("attachment")
    .where("app_id", "=", tx.appId)
    .where("attachment_id", "in", attachmentIds)
    .execute();
}

/** Takes the attachments of a user who is deleted from it: whoever gets the user's id later gets none of them. Its quota bounds their number. */
export async function disownAttachments(tx: Tx, userId: string): Promise<void> {
  await tx.db
    .updateTable("attachment")
    .set({ owner_user_id: "" })
    .where("app_id", "=", tx.appId)
    .where("owner_user_id", "=", userId)
    .execute();
}

/** The complete attachments of all apps by rising key, after one: for whoever looks at their files. */
export async function listComplete(db: Db, after: { appId: string; attachmentId: string }, most: number) {
  return await db
    .selectFrom("attachment")
    .select(["app_id", "attachment_id", "size_bytes", "thumbnail"])
    .where("complete", "=", 1)
    .where((e) =>
      e.or([
        e("app_id", ">", after.appId),
        e.and([e("app_id", "=", after.appId), e("attachment_id", ">", after.attachmentId)]),
      ]),
    )
    .orderBy("app_id")
    .orderBy("attachment_id")
    .limit(most)
    .execute();
}
