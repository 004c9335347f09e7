import { create, toBinary } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { SendSystemMessageRequest } from "@parley/proto/parley/v1/admin_service_pb.js";
import { ChatMessageSchema, MessageState } from "@parley/proto/parley/v1/chat_message_pb.js";
import { SendMessageRequestSchema } from "@parley/proto/parley/v1/message_service_pb.js";
import { findAnswer, keepAnswer } from "../store/answered.js";
import { insertUses } from "../store/attachment-uses.js";
import { EVERYONE, roomPlace } from "../store/audience.js";
import { findPlace } from "../store/members.js";
import type { AppRecord } from "./apps.js";
import { attachmentIn, withAttachment } from "./attachments/media.js";
import type { ServiceCaller } from "./caller.js";
import type { Ctx } from "./context.js";
import { DomainError, ErrorReason, invalidField, notFound } from "./errors.js";
import { factsOf, newMessageEvent } from "./events.js";
import type { Send, Sent } from "./send.js";
import { finishSend, writeSends } from "./send-message.js";
import { targetOf } from "./send-target.js";
import { publishOnce } from "./send-transient.js";

const SYSTEM = "";

/** Sends a message in the name of the system to everyone, a user, a group or a room; see AdminService.SendSystemMessage. */
export async function sendSystemMessage(
  ctx: Ctx,
  caller: ServiceCaller,
  request: SendSystemMessageRequest,
): Promise<Sent> {
  const rate = ctx.limits.serviceSendsPerSecond;
  ctx.buckets.take(`service-send|${caller.appId}`, rate, rate);
  const app = await ctx.apps.find(caller.appId);
  if (app === undefined) throw new Error("a caller of no app");
  const { $typeName: _, $unknown: __, ...fields } = request;
  const send = create(SendMessageRequestSchema, fields);
  switch (request.receiver?.peer.case) {
    case "everyone":
      return await sendToEveryone(
        ctx,
        app,
        finishSend(ctx, SYSTEM, { kind: "user", id: "", conversationId: "", audiences: [EVERYONE], userIds: [] }, send),
      );
    case "system":
      throw invalidField("receiver.system", "the receiver must be everyone, a user, a group or a room");
    default:
      return await sendToOne(ctx, app, finishSend(ctx, SYSTEM, targetOf(SYSTEM, request.receiver), send));
  }
}

async function sendToOne(ctx: Ctx, app: AppRecord, send: Send): Promise<Sent> {
  if (send.target.kind === "room") {
    if ((await findPlace(ctx.read, app.appId, roomPlace(send.target.id))) === undefined)
      throw notFound("room", "receiver.room_id");
    return await publishOnce(ctx, app.appId, send);
  }
  const [outcome] = await writeSends(ctx, app, [send]);
  if (outcome === undefined) throw new Error("a send without an outcome");
  if (!outcome.ok) throw outcome.error;
  return outcome.value;
}

/** One durable event for all who exist now; it stands in no conversation, so the keyed answer alone guards against repeats. */
async function sendToEveryone(ctx: Ctx, app: AppRecord, send: Send): Promise<Sent> {
  const { request, hash } = send;
  const key = `everyone:${request.clientMessageId}`;
  return await ctx.committer.run(app.appId, async (tx) => {
    const earlier = await findAnswer(tx, SYSTEM, key);
    if (earlier !== undefined) {
      if (hash.equals(earlier.request_hash)) return { payload: earlier.response, deduplicated: true };
      throw new DomainError(ErrorReason.IDEMPOTENCY_CONFLICT, "this client_message_id was used for another message", {
        field: "client_message_id",
      });
    }
    const given = request.content;
    const sender = { appId: tx.appId, userId: SYSTEM, heard: ctx.heard.find };
    const content = given === undefined ? given : await withAttachment(tx.db, sender, given);
    const message = create(ChatMessageSchema, {
      messageId: ctx.newId(),
      sender: { sender: { case: "system", value: {} } },
      receiver: { peer: { case: "everyone", value: {} } },
      content,
      createTime: timestampFromMs(tx.nowMs),
      state: MessageState.ACTIVE,
      clientMessageId: request.clientMessageId,
      remark: request.remark,
      attributes: request.attributes,
    });
    const payload = toBinary(ChatMessageSchema, message, { writeUnknownFields: false });
    const facts = factsOf(tx.nowMs, SYSTEM, request.content);
    const pos = tx.emit(newMessageEvent(tx.nowMs, [EVERYONE], "systemMessage", payload, facts));
    const attachmentId = attachmentIn(content)?.media.attachmentId;
    if (attachmentId !== undefined)
      await insertUses(tx, [{ attachmentId, audiences: [EVERYONE], conversationId: "", seq: pos, pos }]);
    const expireMs = tx.nowMs + ctx.times.dedupMs;
    await keepAnswer(tx, SYSTEM, key, { requestHash: hash, response: Buffer.from(payload), expireMs });
    return { payload, deduplicated: false };
  });
}
