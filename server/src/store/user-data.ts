import { disownAttachments } from "./attachments.js";
import { removeSearchRows } from "./attributes.js";
import { userAudience } from "./audience.js";
import type { Tx } from "./committer.js";
import type { Schema } from "./schema.js";

/**
 * What becomes of a table's rows when the user that they name is deleted:
 * "ended": the rules end each, and tell those whom it concerns; "removed": the rows go at once; "blanked": they keep their places, without
 * content, step by step; "kept": they hold nothing of the user but its id; "none": no row is about one user.
 */
type Fate = "ended" | "removed" | "blanked" | "kept" | "none";

/** Every table, and what of it belongs to a user. A table without a line fails a test: whoever adds one decides. */
export const USER_DATA: Readonly<Record<keyof Schema, Fate>> = {
  app: "none",
  service_key: "none",
  app_log: "none",
  generation: "none",
  event: "blanked",
  // Names of readers: of those who are gone nobody reads any more.
  audience: "kept",
  user: "removed",
  credential: "removed",
  session: "ended",
  used_token: "none",
  // By numbers, which are hashed, and gone after a day; the number of a user is a credential.
  sms_number: "none",
  sms_day: "none",
  friend: "ended",
  place: "ended",
  member: "ended",
  conversation: "kept",
  // Begun anew: the other side still has the conversation, and one who comes later under the same id may join it.
  participant: "removed",
  message: "blanked",
  answered: "removed",
  dissolved: "none",
  erasure: "kept",
  // It goes with the session that is on it.
  installation: "ended",
  push_credential: "none",
  push_cursor: "none",
  // Of installations that are gone: none is handed over, and each ends by itself.
  push_job: "kept",
  push_sent: "kept",
  push_count: "none",
  push_template: "none",
  word_filter: "none",
  filter_word: "none",
  statistic: "none",
  // Until the day is counted.
  active_user: "kept",
  counted_log: "none",
  audit_entry: "kept",
  attribute: "removed",
  // Those that messages of others use stay, as nobody's; the rest is removed as unused.
  attachment: "kept",
  attachment_use: "blanked",
  lease: "none",
  // It goes with the session.
  live_session: "ended",
  stream_end: "none",
  // By the hashes of names, and gone after minutes.
  tried: "none",
  meta: "none",
};

/** Removes what is a user's alone. Sessions, friendships and memberships must have been ended; the words are left to the erasure. */
export async function removeUserData(tx: Tx, userId: string): Promise<void> {
  for (const table of ["credential", "answered", "member", "user"] as const)
    await tx.db.deleteFrom(table).where("app_id", "=", tx.appId).where("user_id", "=", userId).execute();
  await removeSearchRows(tx, userAudience(userId));
  await disownAttachments(tx, userId);
  await beginParticipationAnew(tx, userId);
}

/** One-to-one conversations stay where they are, off the list of whoever comes later under the same id, until something is said in them. */
async function beginParticipationAnew(tx: Tx, userId: string): Promise<void> {
  const rows = await tx.db
    .selectFrom("participant")
    .select("conversation_id")
    .where("app_id", "=", tx.appId)
    .where("user_id", "=", userId)
    .execute();
  await tx.db.deleteFrom("participant").where("app_id", "=", tx.appId).where("user_id", "=", userId).execute();
  const at = tx.head();
  const blank = rows.map(({ conversation_id }) => ({
    app_id: tx.appId,
    user_id: userId,
    conversation_id,
    read_seq: 0,
    hidden_pos: at,
    unlisted_pos: at,
  }));
  for (let done = 0; done < blank.length; done += 500)
    await tx.db
      .insertInto("participant")
      .values(blank.slice(done, done + 500))
      .execute();
}
