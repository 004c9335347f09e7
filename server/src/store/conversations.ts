import { bulkInsert } from "./bulk.js";
import type { Tx } from "./committer.js";
import { compiledQuery } from "./compiled.js";
import type { Db, Row } from "./schema.js";

/** How much a run of sends adds to one conversation. */
export interface ConversationGrowth {
  conversationId: string;
  count: number;
  /** The position of the newest of them. */
  lastPos: number;
  /** The time of the newest of them, when that is not now. */
  lastMs?: number;
}

const headsOf = compiledQuery((db, ids) =>
  db
    .selectFrom("conversation")
    .select(["conversation_id", "head_seq", "last_ms"])
    .where("app_id", "=", "")
    .where("conversation_id", "in", ids as string[]),
);

const putHeads = bulkInsert(
  "conversation",
  ["app_id", "conversation_id", "head_seq", "floor_seq", "last_pos", "last_ms"],
  { keys: ["app_id", "conversation_id"], replaced: ["head_seq", "last_pos", "last_ms"] },
);

/** Raises the heads of conversations, making those that are new, and gives each head and time from before. */
export async function growConversations(
  tx: Tx,
  growths: readonly ConversationGrowth[],
): Promise<Map<string, { headSeq: number; lastMs: number }>> {
  const ids = growths.map((growth) => growth.conversationId);
  const before = await headsOf(tx.db, [tx.appId, ids]);
  const known = new Map(
    before.map((row) => [row.conversation_id, { headSeq: row.head_seq, lastMs: row.last_ms }] as const),
  );
  await putHeads(
    tx.db,
    growths.map(({ conversationId, count, lastPos, lastMs = tx.nowMs }) => ({
      app_id: tx.appId,
      conversation_id: conversationId,
      head_seq: (known.get(conversationId)?.headSeq ?? 0) + count,
      floor_seq: 0,
      last_pos: lastPos,
      // The message's time never falls behind the one before it.
      last_ms: Math.max(lastMs, known.get(conversationId)?.lastMs ?? 0),
    })),
  );
  return new Map(ids.map((id) => [id, known.get(id) ?? { headSeq: 0, lastMs: 0 }]));
}

const conversationOf = compiledQuery((db) =>
  db
    .selectFrom("conversation")
    .select(["head_seq", "floor_seq", "last_pos", "last_ms"])
    .where("app_id", "=", "")
    .where("conversation_id", "=", ""),
);

export async function findConversation(db: Db, appId: string, conversationId: string) {
  return (await conversationOf(db, [appId, conversationId]))[0];
}

/** Makes conversations listable for users; those that are stay as they are. */
export async function addParticipants(
  tx: Tx,
  rows: readonly { userId: string; conversationId: string; readSeq: number }[],
): Promise<void> {
  for (let at = 0; at < rows.length; at += 500) {
    await tx.db
      .insertInto("participant")
      .values(
        rows.slice(at, at + 500).map((row) => ({
          app_id: tx.appId,
          user_id: row.userId,
          conversation_id: row.conversationId,
          read_seq: row.readSeq,
        })),
      )
      .onConflict((conflict) => conflict.columns(["app_id", "user_id", "conversation_id"]).doNothing())
      .execute();
  }
}

export async function removeParticipants(tx: Tx, conversationId: string, userIds: readonly string[]): Promise<void> {
  for (let at = 0; at < userIds.length; at += 500) {
    await tx.db
      .deleteFrom("participant")
      .where("app_id", "=", tx.appId)
      .where("conversation_id", "=", conversationId)
      .where("user_id", "in", userIds.slice(at, at + 500))
      .execute();
  }
}

/** Those of these conversations that a user can list. */
export async function findListed(
  db: Db,
  appId: string,
  userId: string,
  conversationIds: readonly string[],
): Promise<Set<string>> {
  const found = new Set<string>();
  for (let at = 0; at < conversationIds.length; at += 500) {
    const rows = await conversationsOf(db, appId, userId)
      .where("participant.conversation_id", "in", conversationIds.slice(at, at + 500))
      .execute();
    for (const row of rows) found.add(row.conversation_id);
  }
  return found;
}

/** The one-to-one conversations that a user can list, by rising id, after an id. */
export async function listDirectTalks(db: Db, appId: string, userId: string, after: string, limit: number) {
  const rows = await conversationsOf(db, appId, userId)
    .where("participant.conversation_id", ">", after === "" ? "d:" : after)
    .where("participant.conversation_id", "<", "d;")
    .orderBy("participant.conversation_id")
    .limit(limit)
    .execute();
  return rows.map((row) => row.conversation_id);
}

export async function setReadSeq(tx: Tx, userId: string, conversationId: string, readSeq: number): Promise<void> {
  await tx.db
    .updateTable("participant")
    .set({ read_seq: readSeq })
    .where("app_id", "=", tx.appId)
    .where("user_id", "=", userId)
    .where("conversation_id", "=", conversationId)
    .execute();
}

/** What a user keeps of a conversation for itself. */
type OwnView = Pick<Row<"participant">, "read_seq" | "hidden_pos" | "unlisted_pos">;

/** A user beside a conversation. */
export interface UserAndConversation {
  createdPos: number;
  /** Undefined when the user cannot list it. */
  own: OwnView | undefined;
  /** Undefined when nothing was said yet. */
  conversation: Pick<Row<"conversation">, "head_seq" | "floor_seq" | "last_pos"> | undefined;
}

const besideOf = compiledQuery((db) =>
  db
    .selectFrom("user")
    .leftJoin("participant", (on) =>
      on
        .onRef("participant.app_id", "=", "user.app_id")
        .onRef("participant.user_id", "=", "user.user_id")
        .on("participant.conversation_id", "=", ""),
    )
    .leftJoin("conversation", (on) =>
      on.onRef("conversation.app_id", "=", "user.app_id").on("conversation.conversation_id", "=", ""),
    )
    .select(["user.created_pos", "participant.read_seq", "participant.hidden_pos", "participant.unlisted_pos"])
    .select(["conversation.head_seq", "conversation.floor_seq", "conversation.last_pos"])
    .where("user.app_id", "=", "")
    .where("user.user_id", "=", ""),
);

/** A user and a conversation by one look; undefined when there is no such user. */
export async function findBeside(
  db: Db,
  appId: string,
  userId: string,
  conversationId: string,
): Promise<UserAndConversation | undefined> {
  const [row] = await besideOf(db, [conversationId, conversationId, appId, userId]);
  if (row === undefined) return undefined;
  const { created_pos: createdPos, read_seq, hidden_pos, unlisted_pos, head_seq, floor_seq, last_pos } = row;
  const own = read_seq === null || hidden_pos === null || unlisted_pos === null;
  const conversation = head_seq === null || floor_seq === null || last_pos === null;
  return {
    createdPos,
    own: own ? undefined : { read_seq, hidden_pos, unlisted_pos },
    conversation: conversation ? undefined : { head_seq, floor_seq, last_pos },
  };
}

/** Hides messages up to a position from a user, or takes the conversation off its list until one after a position. */
export async function setOwnView(
  tx: Tx,
  userId: string,
  conversationId: string,
  change: { hidden_pos?: number; unlisted_pos?: number },
): Promise<void> {
  await tx.db
    .updateTable("participant")
    .set(change)
    .where("app_id", "=", tx.appId)
    .where("user_id", "=", userId)
    .where("conversation_id", "=", conversationId)
    .execute();
}

/** Raises the floor of a conversation over all that stands in it. */
export async function clearConversation(tx: Tx, conversationId: string): Promise<void> {
  await tx.db
    .updateTable("conversation")
    .set((e) => ({ floor_seq: e.ref("head_seq") }))
    .where("app_id", "=", tx.appId)
    .where("conversation_id", "=", conversationId)
    .execute();
}

/** A user's conversations that hold a message, newest first, from below a position on. */
export async function listConversations(db: Db, appId: string, userId: string, beforePos: number, limit: number) {
  return await conversationsOf(db, appId, userId)
    .where("conversation.last_pos", "<", beforePos)
    .orderBy("conversation.last_pos", "desc")
    .limit(limit)
    .execute();
}

/** All of a user's conversations with something above its read marker. */
export async function listUnreadConversations(db: Db, appId: string, userId: string) {
  return await conversationsOf(db, appId, userId)
    .whereRef("conversation.head_seq", ">", "participant.read_seq")
    .execute();
}

function conversationsOf(db: Db, appId: string, userId: string) {
  return db
    .selectFrom("participant")
    .innerJoin("conversation", (join) =>
      join
        .onRef("conversation.app_id", "=", "participant.app_id")
        .onRef("conversation.conversation_id", "=", "participant.conversation_id"),
    )
    .select([
      "conversation.conversation_id",
      "conversation.head_seq",
      "conversation.floor_seq",
      "conversation.last_pos",
      "participant.read_seq",
      "participant.unlisted_pos",
    ])
    .where("participant.app_id", "=", appId)
    .where("participant.user_id", "=", userId)
    .where("conversation.head_seq", ">", 0)
    .whereRef("conversation.last_pos", ">", "participant.unlisted_pos");
}
