import { listUsesFor } from "../../store/attachment-uses.js";
import type { AttachmentRow } from "../../store/attachments.js";
import { isGroupPlace, userAudience } from "../../store/audience.js";
import { isErased } from "../../store/erasure.js";
import { findMember } from "../../store/members.js";
import type { Db } from "../../store/schema.js";
import { findUser } from "../../store/users.js";
import { mayRead } from "../visibility.js";

/** The conversations that are looked at, from the newest use on: whoever can read none of so many can hardly read an older one. */
const MOST_LOOKED_AT = 100;

/**
 * Whether a user may have the bytes of an attachment: its uploader may, whoever can read a message that uses it may, by the very rule of
 * history, and whom a transient message (`heard`, its audiences) brought it a moment ago.
 */
export async function mayHave(
  db: Db,
  userId: string,
  row: Pick<AttachmentRow, "app_id" | "attachment_id" | "owner_user_id">,
  heard: readonly string[],
): Promise<boolean> {
  const { app_id: appId, attachment_id: attachmentId } = row;
  if (row.owner_user_id === userId) return true;
  for (const use of await listUsesFor(db, appId, attachmentId, userId, MOST_LOOKED_AT)) {
    const { conversationId, pos } = use;
    // What went to everyone is for those who were there.
    const readable =
      conversationId === ""
        ? pos > ((await findUser(db, appId, userId))?.created_pos ?? Number.POSITIVE_INFINITY)
        : (await mayRead(db, appId, userId, conversationId, pos)) && !(await isErased(db, appId, use));
    if (readable) return true;
  }
  for (const audience of heard) {
    if (audience === userAudience(userId)) return true;
    const isPlace = isGroupPlace(audience) || audience.startsWith("r:");
    if (isPlace && (await findMember(db, appId, audience, userId)) !== undefined) return true;
  }
  return false;
}
