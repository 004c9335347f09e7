import { readableMessages } from "./readable.js";
import type { Db } from "./schema.js";

/** The credentials of a user, without their secrets, after one of that order. */
export async function listCredentials(db: Db, appId: string, userId: string) {
  return await db
    .selectFrom("credential")
    .select(["kind", "name"])
    .where("app_id", "=", appId)
    .where("user_id", "=", userId)
    .orderBy("kind")
    .orderBy("name")
    .execute();
}

/** The present memberships of a user with the places, by rising name, after a name. */
export async function listMemberships(db: Db, appId: string, userId: string, after: string, limit: number) {
  return await db
    .selectFrom("member")
    .innerJoin("place", (join) =>
      join.onRef("place.app_id", "=", "member.app_id").onRef("place.place", "=", "member.place"),
    )
    .select(["member.place", "member.role", "member.alias", "member.join_ms", "place.name"])
    .where("member.app_id", "=", appId)
    .where("member.user_id", "=", userId)
    .where("member.left_pos", "is", null)
    .where("member.place", ">", after)
    .orderBy("member.place")
    .limit(limit)
    .execute();
}

/** The first conversation of a user after an id, one that is off its list too. */
export async function findConversationAfter(db: Db, appId: string, userId: string, after: string) {
  return await db
    .selectFrom("participant")
    .innerJoin("conversation", (join) =>
      join
        .onRef("conversation.app_id", "=", "participant.app_id")
        .onRef("conversation.conversation_id", "=", "participant.conversation_id"),
    )
    .select(["conversation.conversation_id", "participant.read_seq"])
    .where("participant.app_id", "=", appId)
    .where("participant.user_id", "=", userId)
    .where("participant.conversation_id", ">", after)
    .orderBy("participant.conversation_id")
    .limit(1)
    .executeTakeFirst();
}

/** The first group after a name that a user is not in, with the seq up to which its history is gone. */
export async function findOtherGroupAfter(db: Db, appId: string, userId: string, after: string) {
  return await db
    .selectFrom("conversation")
    .select(["conversation_id", "floor_seq"])
    .where("app_id", "=", appId)
    .where("conversation_id", ">", after === "" ? "g:" : after)
    // The character after the colon ends the names of groups.
    .where("conversation_id", "<", "g;")
    .where((e) =>
      e.not(
        e.exists(
          e
            .selectFrom("participant")
            .select("participant.user_id")
            .whereRef("participant.app_id", "=", "conversation.app_id")
            .whereRef("participant.conversation_id", "=", "conversation.conversation_id")
            .where("participant.user_id", "=", userId),
        ),
      ),
    )
    .orderBy("conversation_id")
    .limit(1)
    .executeTakeFirst();
}

const LOOKED_AT = 1_000;

/** The next messages of one sender in a conversation up to a position, at most `most` of those looked at; `upToSeq` is where the next look begins, undefined at the end. */
export async function listMessagesOf(
  db: Db,
  appId: string,
  conversationId: string,
  sender: string,
  { afterSeq, upToPos }: { afterSeq: number; upToPos: number },
  most: number,
) {
  const looked = await db
    .selectFrom("message")
    .select(["seq", "sender"])
    .where("app_id", "=", appId)
    .where("conversation_id", "=", conversationId)
    .where("seq", ">", afterSeq)
    .where("pos", "<=", upToPos)
    .orderBy("seq")
    .limit(LOOKED_AT)
    .execute();
  const own = looked.filter((row) => row.sender === sender).map((row) => row.seq);
  const seqs = own.slice(0, most);
  const rows = seqs.length === 0 ? [] : await readSeqs(db, appId, conversationId, seqs);
  if (seqs.length < own.length) return { rows, upToSeq: seqs.at(-1) };
  return { rows, upToSeq: looked.length < LOOKED_AT ? undefined : looked.at(-1)?.seq };
}

async function readSeqs(db: Db, appId: string, conversationId: string, seqs: readonly number[]) {
  const rows = await db
    .selectFrom("message")
    .select(["seq", "sender", "pos", "payload"])
    .where("app_id", "=", appId)
    .where("conversation_id", "=", conversationId)
    .where("seq", "in", seqs)
    .orderBy("seq")
    .execute();
  return await readableMessages(db, appId, rows);
}
