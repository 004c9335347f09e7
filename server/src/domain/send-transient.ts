import { create, toBinary } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { type ChatMessage, ChatMessageSchema, MessageState } from "@parley/proto/parley/v1/chat_message_pb.js";
import { groupPlace, roomPlace } from "../store/audience.js";
import { areFriends } from "../store/friends.js";
import { findMember, findPlace } from "../store/members.js";
import { findUser } from "../store/users.js";
import type { AppRecord } from "./apps.js";
import { attachmentIn, withAttachment } from "./attachments/media.js";
import type { UserCaller } from "./caller.js";
import type { Ctx } from "./context.js";
import { DomainError, ErrorReason, notFound } from "./errors.js";
import { factsOf, newMessageEvent } from "./events.js";
import type { Send, Sent } from "./send.js";
import type { SendTarget } from "./send-target.js";

/** Sends a message that is not stored: at most once to those who are here now. A repeat within two minutes is answered, not delivered. */
export async function sendTransient(ctx: Ctx, app: AppRecord, caller: UserCaller, send: Send): Promise<Sent> {
  const perSecond = ctx.limits.transientSendsPerSecond;
  const limited = ctx.sendsPerSecond > 0 && caller.sessionId !== undefined;
  if (limited) ctx.buckets.take(`transient|${app.appId}|${caller.userId}`, perSecond, perSecond);
  await mayTalk(ctx, app, caller.userId, send.target);
  return await publishOnce(ctx, app.appId, send);
}

/** Publishes a message once for its key. */
export async function publishOnce(ctx: Ctx, appId: string, given: Send): Promise<Sent> {
  const send = await withMedia(ctx, appId, given);
  const { senderId, keyed } = send;
  const sent = { senderId, clientMessageId: send.request.clientMessageId, hash: send.hash.toString("hex") };
  const earlier = keyed ? ctx.transients.find(appId, sent) : undefined;
  if (earlier !== undefined) {
    if (earlier.hash === sent.hash) return { payload: earlier.message, deduplicated: true };
    throw new DomainError(ErrorReason.IDEMPOTENCY_CONFLICT, "this client_message_id was used for another message", {
      field: "client_message_id",
    });
  }
  if (send.refusal !== undefined) throw send.refusal;
  const message = makeMessage(ctx, send);
  const payload = toBinary(ChatMessageSchema, message, { writeUnknownFields: false });
  const kind = senderId === "" ? "systemMessage" : "messageCreated";
  const nowMs = ctx.clock.now();
  const facts = factsOf(nowMs, senderId, message.content);
  const made = newMessageEvent(nowMs, send.target.audiences, kind, payload, facts);
  const event = { appId, ...made, ...(keyed && { sent }) };
  ctx.transients.keep(event);
  ctx.bus.publishTransient(event);
  return { payload, deduplicated: false };
}

/** The send with what is known of its attachment, which its receivers may have from now on for a while. */
async function withMedia(ctx: Ctx, appId: string, send: Send): Promise<Send> {
  const { content } = send.request;
  const attachmentId = attachmentIn(content)?.media.attachmentId;
  if (content === undefined || attachmentId === undefined) return send;
  const sender = { appId, userId: send.senderId, heard: ctx.heard.find };
  const request = { ...send.request, content: await withAttachment(ctx.read, sender, content) };
  ctx.heard.keep(appId, attachmentId, send.target.audiences);
  return { ...send, request };
}

function makeMessage(ctx: Ctx, { senderId, target, request }: Send): ChatMessage {
  return create(ChatMessageSchema, {
    messageId: ctx.newId(),
    conversationId: target.conversationId,
    sender: { sender: senderId === "" ? { case: "system", value: {} } : { case: "userId", value: senderId } },
    receiver: request.receiver,
    content: request.content,
    createTime: timestampFromMs(ctx.clock.now()),
    state: MessageState.ACTIVE,
    clientMessageId: request.clientMessageId,
    remark: request.remark,
    attributes: request.attributes,
    mentions: request.mentions,
    transient: true,
  });
}

/** Throws when a user may not talk to a target now: the rules of stored sends, without the lock that only storing needs. */
export async function mayTalk(ctx: Ctx, app: AppRecord, userId: string, target: SendTarget): Promise<void> {
  const { appId } = app;
  if (target.kind === "user") {
    if ((await findUser(ctx.read, appId, target.id)) === undefined) throw notFound("user", "receiver.user_id");
    const stranger = userId !== target.id && !(await areFriends(ctx.read, appId, userId, target.id));
    if (stranger && !app.rules.allowStrangerMessages)
      throw new DomainError(ErrorReason.NOT_FRIEND, "this app takes messages between friends only");
    return;
  }
  const place = target.kind === "group" ? groupPlace(target.id) : roomPlace(target.id);
  const member = await findMember(ctx.read, appId, place, userId);
  if (member === undefined) {
    if ((await findPlace(ctx.read, appId, place)) === undefined)
      throw notFound(target.kind, `receiver.${target.kind}_id`);
    throw new DomainError(ErrorReason.NOT_MEMBER, `you are not a member of this ${target.kind}`);
  }
  if (member.mute_until_ms > ctx.clock.now()) throw new DomainError(ErrorReason.MUTED, "you are muted in this group");
}
