import { create, toBinary } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { ChatMessageSchema, MessageState } from "@parley/proto/parley/v1/chat_message_pb.js";
import type { MessageContent } from "@parley/proto/parley/v1/message_content_pb.js";
import { PushOptionsSchema } from "@parley/proto/parley/v1/push_options_pb.js";
import { type AttachmentUse, insertUses } from "../store/attachment-uses.js";
import type { Outcome, Tx } from "../store/committer.js";
import { addParticipants, type ConversationGrowth, growConversations } from "../store/conversations.js";
import { findByClientMessageIds, insertMessages } from "../store/messages.js";
import type { Row } from "../store/schema.js";
import { attachmentIn, withAttachment } from "./attachments/media.js";
import { authorizeSends } from "./authorize-sends.js";
import { DomainError, ErrorReason } from "./errors.js";
import { factsOf, newMessageEvent } from "./events.js";
import type { Send, SendJob, Sent } from "./send.js";

type SentOutcome = Outcome<Sent>;

/**
 * Stores the sends of any number of calls together, by a fixed number of statements: look up repeats, authorise, allot seqs, insert.
 * A send that is refused takes no number and fails alone.
 */
export async function storeSends(tx: Tx, jobs: readonly SendJob[]): Promise<Outcome<SentOutcome[]>[]> {
  const sends = jobs.flatMap((job) => job.sends.map((send) => ({ send, job })));
  const known = await findRepeats(
    tx,
    sends.map(({ send }) => send),
  );
  const refusals = await authorizeSends(tx, sends.filter(({ send }) => !known.has(keyOf(send))).map(refusable));
  const media = sends.filter(({ send }) => attachmentIn(send.request.content) !== undefined);
  const contents = media.length === 0 ? NONE : await fillContents(tx, media, known, refusals);
  const fresh: { send: Send; job: SendJob }[] = [];
  const plan = sends.map(({ send, job }): (() => SentOutcome) => {
    const repeat = known.get(keyOf(send));
    if (repeat !== undefined) return () => answerRepeat(send, repeat);
    const refusal = refusals.get(send);
    if (refusal !== undefined) return () => ({ ok: false, error: refusal });
    const stored: Stored = { hash: send.hash, payload: undefined };
    known.set(keyOf(send), stored);
    fresh.push({ send, job });
    return () =>
      stored.payload === undefined ? lost() : { ok: true, value: { payload: stored.payload, deduplicated: false } };
  });
  if (fresh.length > 0) await storeFresh(tx, fresh, known, contents);
  const outcomes = plan.map((answer) => answer());
  let end = 0;
  return jobs.map(({ sends: { length } }) => {
    end += length;
    return { ok: true, value: outcomes.slice(end - length, end) };
  });
}

/** The contents of sends that use an attachment, with what its record knows. */
type Contents = ReadonlyMap<Send, MessageContent>;

const NONE: Contents = new Map();

/** Looks the attachments of sends up, and refuses those that their sender may not send. */
async function fillContents(
  tx: Tx,
  media: readonly { send: Send; job: SendJob }[],
  known: ReadonlyMap<string, Stored>,
  refusals: Map<Send, DomainError>,
): Promise<Contents> {
  const contents = new Map<Send, MessageContent>();
  for (const { send, job } of media) {
    const { content } = send.request;
    if (content === undefined || refusals.has(send) || known.has(keyOf(send))) continue;
    try {
      const sender = { appId: tx.appId, userId: send.senderId, heard: job.heard };
      contents.set(send, await withAttachment(tx.db, sender, content));
    } catch (error) {
      if (!(error instanceof DomainError)) throw error;
      refusals.set(send, error);
    }
  }
  return contents;
}

interface Stored {
  hash: Uint8Array;
  payload: Uint8Array | undefined;
}

const keyOf = (send: Send): string => `${send.senderId}|${send.request.clientMessageId}`;
const refusable = ({ send, job }: { send: Send; job: SendJob }) => ({ send, rules: job.rules });

function lost(): SentOutcome {
  return { ok: false, error: new Error("a send was planned and not stored") };
}

async function findRepeats(tx: Tx, sends: readonly Send[]): Promise<Map<string, Stored>> {
  const ids = [...new Set(sends.map((send) => send.request.clientMessageId))];
  const senders = [...new Set(sends.map((send) => send.senderId))];
  const rows = await findByClientMessageIds(tx.db, tx.appId, senders, ids);
  return new Map(
    rows.map((row) => [`${row.sender}|${row.client_message_id}`, { hash: row.payload_hash, payload: row.payload }]),
  );
}

function answerRepeat(send: Send, stored: Stored): SentOutcome {
  if (!send.hash.equals(stored.hash))
    return {
      ok: false,
      error: new DomainError(ErrorReason.IDEMPOTENCY_CONFLICT, "this client_message_id was used for another message", {
        field: "client_message_id",
      }),
    };
  return stored.payload === undefined ? lost() : { ok: true, value: { payload: stored.payload, deduplicated: true } };
}

async function storeFresh(
  tx: Tx,
  fresh: readonly { send: Send; job: SendJob }[],
  known: Map<string, Stored>,
  contents: Contents,
): Promise<void> {
  const growths = new Map<string, ConversationGrowth>();
  fresh.forEach(({ send }, at) => {
    const { conversationId } = send.target;
    const count = (growths.get(conversationId)?.count ?? 0) + 1;
    // Each send emits one event, in this order.
    growths.set(conversationId, { conversationId, count, lastPos: tx.head() + at + 1 });
  });
  const before = await growConversations(tx, [...growths.values()]);
  const rows: Row<"message">[] = [];
  const uses: AttachmentUse[] = [];
  const participants: { userId: string; conversationId: string; readSeq: number }[] = [];
  for (const { send, job } of fresh) {
    const { conversationId } = send.target;
    const place = before.get(conversationId) as { headSeq: number; lastMs: number };
    if (place.headSeq === 0)
      for (const userId of send.target.userIds) participants.push({ userId, conversationId, readSeq: 0 });
    place.headSeq += 1;
    const content = contents.get(send) ?? send.request.content;
    const createMs = Math.max(tx.nowMs, place.lastMs);
    const row = makeMessage(tx, send, content, job.newId(), place.headSeq, createMs);
    rows.push(row);
    const attachmentId = attachmentIn(content)?.media.attachmentId;
    if (attachmentId !== undefined)
      uses.push({ attachmentId, audiences: send.target.audiences, conversationId, seq: row.seq, pos: row.pos });
    const stored = known.get(keyOf(send));
    if (stored !== undefined) stored.payload = row.payload;
  }
  if (participants.length > 0) await addParticipants(tx, participants);
  await insertMessages(tx, rows);
  if (uses.length > 0) await insertUses(tx, uses);
}

function makeMessage(
  tx: Tx,
  send: Send,
  content: MessageContent | undefined,
  messageId: string,
  seq: number,
  createMs: number,
): Row<"message"> {
  const { request, target, senderId } = send;
  const message = create(ChatMessageSchema, {
    messageId,
    conversationId: target.conversationId,
    seq,
    sender: { sender: senderId === "" ? { case: "system", value: {} } : { case: "userId", value: senderId } },
    receiver: request.receiver,
    content,
    createTime: timestampFromMs(createMs),
    state: MessageState.ACTIVE,
    clientMessageId: request.clientMessageId,
    remark: request.remark,
    attributes: request.attributes,
    replyToMessageId: request.replyToMessageId,
    mentions: request.mentions,
  });
  const payload = asBuffer(toBinary(ChatMessageSchema, message, { writeUnknownFields: false }));
  const kind = senderId === "" ? "systemMessage" : "messageCreated";
  const facts = factsOf(tx.nowMs, senderId, request.content);
  const pos = tx.emit(newMessageEvent(createMs, target.audiences, kind, payload, facts));
  return {
    app_id: tx.appId,
    conversation_id: target.conversationId,
    seq,
    pos,
    message_id: messageId,
    sender: senderId,
    client_message_id: request.clientMessageId,
    payload_hash: send.hash,
    create_ms: createMs,
    counting: request.content?.content.case === "notice" ? 0 : 1,
    payload,
    push: request.push === undefined ? null : asBuffer(toBinary(PushOptionsSchema, request.push)),
  };
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
