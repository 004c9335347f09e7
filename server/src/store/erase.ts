import { EventKind } from "@parley/proto/parley/v1/stream_event_pb.js";
import { idOf, isGroupPlace } from "./audience.js";
import { blankEvent, NOTHING } from "./blank.js";
import type { Tx } from "./committer.js";
import { blankMessages, type Erasure, findErasure } from "./erasure.js";
import { MESSAGE_KINDS } from "./readable.js";

/** The kinds that can hold words of a user, or what it has shown of itself. */
const USER_KINDS = [...MESSAGE_KINDS, EventKind.USER_CHANGED, EventKind.GROUP_MEMBER_CHANGED];

/** Blanks the next part of what an erasure is about: looks at `most` events, or at `most` messages. Once that was all, the erasure is off the list. */
export async function eraseSome(tx: Tx, subject: string, most: number): Promise<void> {
  const erasure = await findErasure(tx.db, tx.appId, subject);
  if (erasure === undefined) return;
  const group = isGroupPlace(erasure.subject);
  if (erasure.log_pos < erasure.upto_pos)
    await keep(tx, erasure, group ? await eraseEventsIn(tx, erasure, most) : await eraseEventsOf(tx, erasure, most));
  else {
    const next = erasure.conversation_id === "" ? await nextConversation(tx, erasure) : erasure.conversation_id;
    if (next === undefined) await finish(tx, erasure);
    else await keep(tx, erasure, await eraseMessages(tx, { ...erasure, conversation_id: next }, most));
  }
}

type Change = Partial<Pick<Erasure, "log_pos" | "conversation_id" | "seq" | "events" | "messages">>;

async function keep(tx: Tx, { subject }: Erasure, change: Change): Promise<void> {
  if (Object.keys(change).length === 0) return;
  await tx.db
    .updateTable("erasure")
    .set(change)
    .where("app_id", "=", tx.appId)
    .where("subject", "=", subject)
    .execute();
}

async function finish(tx: Tx, { subject }: Erasure): Promise<void> {
  await tx.db.deleteFrom("erasure").where("app_id", "=", tx.appId).where("subject", "=", subject).execute();
}

async function setPayload(tx: Tx, pos: number, payload: Buffer): Promise<void> {
  await tx.db.updateTable("event").set({ payload }).where("app_id", "=", tx.appId).where("pos", "=", pos).execute();
}

/** A user's events stand anywhere in the log, so all of it is looked through. */
async function eraseEventsOf(tx: Tx, erasure: Erasure, most: number): Promise<Change> {
  const log = await tx.db.selectFrom("app_log").select("floor_pos").where("app_id", "=", tx.appId).executeTakeFirst();
  const from = Math.max(erasure.log_pos, log?.floor_pos ?? 0);
  const end = Math.min(erasure.upto_pos, from + most);
  const rows = await tx.db
    .selectFrom("event")
    .select(["pos", "payload"])
    .where("app_id", "=", tx.appId)
    .where("pos", ">", from)
    .where("pos", "<=", end)
    .where("kind", "in", USER_KINDS)
    .execute();
  let { events } = erasure;
  for (const { pos, payload } of rows) {
    const blank = blankEvent(payload, idOf(erasure.subject), erasure.begin_ms);
    if (blank === undefined) continue;
    await setPayload(tx, pos, blank);
    events += 1;
  }
  return { log_pos: Math.max(end, from), events };
}

/** Those of a group are found by their audience. */
async function eraseEventsIn(tx: Tx, erasure: Erasure, most: number): Promise<Change> {
  const rows = await tx.db
    .selectFrom("audience")
    .select("pos")
    .where("app_id", "=", tx.appId)
    .where("audience", "=", erasure.subject)
    .where("pos", ">", erasure.log_pos)
    .where("pos", "<=", erasure.upto_pos)
    .orderBy("pos")
    .limit(most)
    .execute();
  const positions = rows.map(({ pos }) => pos);
  const last = positions.at(-1);
  if (last === undefined) return { log_pos: erasure.upto_pos };
  const result = await tx.db
    .updateTable("event")
    .set({ payload: NOTHING })
    .where("app_id", "=", tx.appId)
    .where("pos", "in", positions)
    .where("kind", "in", MESSAGE_KINDS)
    .executeTakeFirst();
  return {
    log_pos: positions.length < most ? erasure.upto_pos : last,
    events: erasure.events + Number(result.numUpdatedRows),
  };
}

/** The first conversation that may hold something of an erasure; of a user its own, and every group: it may have left one long ago. */
async function nextConversation(tx: Tx, { subject }: Erasure, after = ""): Promise<string | undefined> {
  if (isGroupPlace(subject)) return after === "" ? subject : undefined;
  const own = await tx.db
    .selectFrom("participant")
    .select("conversation_id")
    .where("app_id", "=", tx.appId)
    .where("user_id", "=", idOf(subject))
    .where("conversation_id", ">", after)
    .orderBy("conversation_id")
    .limit(1)
    .executeTakeFirst();
  const group = await tx.db
    .selectFrom("conversation")
    .select("conversation_id")
    .where("app_id", "=", tx.appId)
    .where("conversation_id", ">", after < "g:" ? "g:" : after)
    // The character after the colon ends the names of groups.
    .where("conversation_id", "<", "g;")
    .orderBy("conversation_id")
    .limit(1)
    .executeTakeFirst();
  const found = [own, group].flatMap((row) => (row === undefined ? [] : [row.conversation_id]));
  return found.sort()[0];
}

async function eraseMessages(tx: Tx, erasure: Erasure, most: number): Promise<Change> {
  const { subject, conversation_id: conversationId } = erasure;
  const rows = await tx.db
    .selectFrom("message")
    .select(["seq", "sender"])
    .where("app_id", "=", tx.appId)
    .where("conversation_id", "=", conversationId)
    .where("seq", ">", erasure.seq)
    .where("pos", "<=", erasure.upto_pos)
    .orderBy("seq")
    .limit(most)
    .execute();
  const isGone = ({ sender }: { sender: string }) =>
    // What the system says to one user alone goes with the user.
    conversationId === subject || sender === idOf(subject) || (sender === "" && !isGroupPlace(conversationId));
  const seqs = rows.filter(isGone).map(({ seq }) => seq);
  const how = { atMs: erasure.begin_ms, keepsMark: isGroupPlace(subject) };
  const messages = erasure.messages + (await blankMessages(tx, conversationId, seqs, how));
  const last = rows.at(-1);
  if (last !== undefined && rows.length === most) return { conversation_id: conversationId, seq: last.seq, messages };
  const next = await nextConversation(tx, erasure, conversationId);
  if (next !== undefined) return { conversation_id: next, seq: 0, messages };
  await finish(tx, erasure);
  return {};
}
