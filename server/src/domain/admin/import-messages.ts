import { create, toBinary } from "@bufbuild/protobuf";
import { timestampFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import type { ImportMessagesRequest } from "@parley/proto/parley/v1/admin_service_pb.js";
import { ChatMessageSchema, MessageState } from "@parley/proto/parley/v1/chat_message_pb.js";
import { SendMessageRequestSchema } from "@parley/proto/parley/v1/message_service_pb.js";
import { PeerSchema } from "@parley/proto/parley/v1/peer_pb.js";
import { ChangeKind, EventKind } from "@parley/proto/parley/v1/stream_event_pb.js";
import type { ImportedMessage } from "@parley/proto/parley/v1/user_import_pb.js";
import { insertUses } from "../../store/attachment-uses.js";
import { userAudience } from "../../store/audience.js";
import type { Tx } from "../../store/committer.js";
import { addParticipants, findConversation, growConversations } from "../../store/conversations.js";
import { findPlace } from "../../store/members.js";
import { findByClientMessageIds, insertMessages } from "../../store/messages.js";
import type { Row } from "../../store/schema.js";
import { findUserKinds } from "../../store/users.js";
import { attachmentIn, withAttachment } from "../attachments/media.js";
import type { ServiceCaller } from "../caller.js";
import type { Ctx } from "../context.js";
import { wirePeer } from "../conversations.js";
import { DomainError, ErrorReason, invalidField, notFound } from "../errors.js";
import { newEvent } from "../events.js";
import type { Send } from "../send.js";
import { finishSend } from "../send-message.js";
import { targetOf } from "../send-target.js";

interface Planned {
  send: Send;
  createMs: number;
  /** The field that names it. */
  field: string;
}

/** Brings messages of another system into a history; see AdminService.ImportMessages. */
export async function importMessages(ctx: Ctx, { appId }: ServiceCaller, request: ImportMessagesRequest) {
  const rate = ctx.limits.serviceSendsPerSecond;
  ctx.buckets.take(`service-send|${appId}`, rate, rate, request.messages.length);
  const plan = planOf(ctx, request);
  return await ctx.committer.run(appId, async (tx) => {
    await checkPeople(tx, request, plan);
    const fresh = await withoutRepeats(tx, plan);
    const first = plan[0] as Planned;
    const { conversationId } = first.send.target;
    const before = await findConversation(tx.db, appId, conversationId);
    const lastMs = before?.last_ms ?? 0;
    const late = fresh.find(({ createMs }) => createMs < lastMs);
    if (late !== undefined && !request.allowAfter)
      throw invalidField(`${late.field}.create_time`, "the conversation has a newer message already; see allow_after");
    const filled: Planned[] = [];
    for (const planned of fresh) filled.push(await withMedia(tx, planned));
    if (filled.length > 0) await store(ctx, tx, filled, lastMs);
    return {
      imported: fresh.length,
      deduplicated: plan.length - fresh.length,
      headSeq: (before?.head_seq ?? 0) + fresh.length,
    };
  });
}

/** Checks what needs no store. */
function planOf(ctx: Ctx, { conversation, messages }: ImportMessagesRequest): Planned[] {
  const keys = new Set<string>();
  const nowMs = ctx.clock.now();
  let earlierMs = Number.NEGATIVE_INFINITY;
  return messages.map((message, at) => {
    const field = `messages[${at}]`;
    const createMs = message.createTime === undefined ? 0 : Math.floor(timestampMs(message.createTime));
    if (createMs < 0) throw invalidField(`${field}.create_time`, "a message was written after 1970");
    if (createMs > nowMs) throw invalidField(`${field}.create_time`, "a message cannot be of the future");
    if (createMs < earlierMs) throw invalidField(`${field}.create_time`, "it lies before that of the message ahead");
    earlierMs = createMs;
    const key = `${message.senderUserId}|${message.clientMessageId}`;
    if (keys.has(key)) throw invalidField(`${field}.client_message_id`, "this key is used twice in the request");
    keys.add(key);
    if (message.content?.content.case === "notice")
      throw invalidField(`${field}.content.notice`, "only system messages may carry a notice");
    return { send: within(field, () => sendOf(ctx, conversation, message, field)), createMs, field };
  });
}

function sendOf(
  ctx: Ctx,
  conversation: ImportMessagesRequest["conversation"],
  message: ImportedMessage,
  field: string,
): Send {
  const { senderUserId, clientMessageId, remark } = message;
  const receiver = create(PeerSchema, { peer: { case: "groupId", value: "" } });
  if (conversation.case === "groupId") receiver.peer = conversation;
  else if (conversation.case === "users") {
    const { firstUserId, secondUserId } = conversation.value;
    if (senderUserId !== firstUserId && senderUserId !== secondUserId)
      throw invalidField("sender_user_id", `${field}.sender_user_id is neither of the two users`);
    receiver.peer = { case: "userId", value: senderUserId === firstUserId ? secondUserId : firstUserId };
  }
  const request = create(SendMessageRequestSchema, {
    receiver,
    content: message.content,
    clientMessageId,
    remark,
    attributes: message.attributes,
  });
  return finishSend(ctx, senderUserId, targetOf(senderUserId, receiver), request);
}

/** Names the message in what is refused of it. */
function within<T>(field: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof DomainError)) throw error;
    throw new DomainError(error.reason, error.message, {
      ...error.facts,
      field: `${field}.${error.facts.field ?? ""}`,
    });
  }
}

async function checkPeople(tx: Tx, { conversation }: ImportMessagesRequest, plan: readonly Planned[]): Promise<void> {
  if (conversation.case === "groupId") {
    const place = plan[0]?.send.target.conversationId ?? "";
    if ((await findPlace(tx.db, tx.appId, place)) === undefined) throw notFound("group", "group_id");
  }
  const pair = conversation.case === "users" ? conversation.value : undefined;
  const senders = plan.map(({ send }) => send.senderId);
  const named = [...senders, ...(pair === undefined ? [] : [pair.firstUserId, pair.secondUserId])];
  const known = await findUserKinds(tx.db, tx.appId, [...new Set(named)]);
  if (pair !== undefined && !known.has(pair.firstUserId)) throw notFound("user", "users.first_user_id");
  if (pair !== undefined && !known.has(pair.secondUserId)) throw notFound("user", "users.second_user_id");
  for (const { send, field } of plan) if (!known.has(send.senderId)) throw notFound("user", `${field}.sender_user_id`);
}

async function withoutRepeats(tx: Tx, plan: readonly Planned[]): Promise<Planned[]> {
  const senders = [...new Set(plan.map(({ send }) => send.senderId))];
  const keys = plan.map(({ send }) => send.request.clientMessageId);
  const rows = await findByClientMessageIds(tx.db, tx.appId, senders, keys);
  const known = new Map(rows.map((row) => [`${row.sender}|${row.client_message_id}`, row.payload_hash]));
  return plan.filter(({ send, field }) => {
    const hash = known.get(`${send.senderId}|${send.request.clientMessageId}`);
    if (hash === undefined) return true;
    if (send.hash.equals(hash)) return false;
    throw new DomainError(ErrorReason.IDEMPOTENCY_CONFLICT, "this client_message_id was used for another message", {
      field: `${field}.client_message_id`,
    });
  });
}

/** The message with what is known of its attachment, which may be any of the app. */
async function withMedia(tx: Tx, planned: Planned): Promise<Planned> {
  const { send, field } = planned;
  const { content } = send.request;
  if (content === undefined || attachmentIn(content) === undefined) return planned;
  try {
    const filled = await withAttachment(tx.db, { appId: tx.appId, userId: "", heard: () => [] }, content);
    return { ...planned, send: { ...send, request: { ...send.request, content: filled } } };
  } catch (error) {
    return within<Planned>(field, () => {
      throw error;
    });
  }
}

/** Each message has its place in the log, as every other, but the event there is for nobody and empty: who is concerned is told once, behind them. */
async function store(ctx: Ctx, tx: Tx, fresh: readonly Planned[], lastMs: number): Promise<void> {
  const { target } = (fresh[0] as Planned).send;
  const { conversationId } = target;
  const newestMs = Math.max(lastMs, (fresh.at(-1) as Planned).createMs);
  const lastPos = tx.head() + fresh.length;
  const growth = { conversationId, count: fresh.length, lastPos, lastMs: newestMs };
  const head = (await growConversations(tx, [growth])).get(conversationId)?.headSeq ?? 0;
  const rows = fresh.map(({ send, createMs }, at) => {
    const pos = tx.emit({ kind: EventKind.MESSAGE_CREATED, payload: Buffer.alloc(0), audiences: [] });
    return rowOf(ctx, tx, send, { seq: head + at + 1, pos, createMs: Math.max(createMs, lastMs) });
  });
  await insertMessages(tx, rows);
  const uses = fresh.flatMap(({ send }, at) => {
    const attachmentId = attachmentIn(send.request.content)?.media.attachmentId;
    const { seq, pos } = rows[at] as Row<"message">;
    return attachmentId === undefined ? [] : [{ attachmentId, audiences: target.audiences, conversationId, seq, pos }];
  });
  if (uses.length > 0) await insertUses(tx, uses);
  const users = target.kind === "user" ? [...new Set(target.userIds)] : [];
  await addParticipants(
    tx,
    users.map((userId) => ({ userId, conversationId, readSeq: 0 })),
  );
  const change = ChangeKind.UPDATED;
  const tell = (audience: string, reader: string) => {
    const value = { conversationId, peer: wirePeer(conversationId, reader), change };
    tx.emit(newEvent(tx.nowMs, [audience], { case: "conversationChanged", value }));
  };
  if (target.kind === "group") tell(conversationId, "");
  for (const userId of users) tell(userAudience(userId), userId);
}

function rowOf(
  ctx: Ctx,
  tx: Tx,
  { senderId, target, request, hash }: Send,
  { seq, pos, createMs }: { seq: number; pos: number; createMs: number },
): Row<"message"> {
  const messageId = ctx.newId();
  const message = create(ChatMessageSchema, {
    messageId,
    conversationId: target.conversationId,
    seq,
    sender: { sender: { case: "userId", value: senderId } },
    receiver: request.receiver,
    content: request.content,
    createTime: timestampFromMs(createMs),
    state: MessageState.ACTIVE,
    clientMessageId: request.clientMessageId,
    remark: request.remark,
    attributes: request.attributes,
  });
  return {
    app_id: tx.appId,
    conversation_id: target.conversationId,
    seq,
    pos,
    message_id: messageId,
    sender: senderId,
    client_message_id: request.clientMessageId,
    payload_hash: hash,
    create_ms: createMs,
    counting: 0,
    payload: Buffer.from(toBinary(ChatMessageSchema, message, { writeUnknownFields: false })),
    push: null,
  };
}
