import type { MessageInitShape } from "@bufbuild/protobuf";
import { durationMs } from "@bufbuild/protobuf/wkt";
import {
  type MessageService,
  SendMessageResponseSchema,
  SendMessageResultSchema,
} from "@parley/proto/parley/v1/message_service_pb.js";
import { ackEvents } from "../domain/ack-events.js";
import { asSession, asUser } from "../domain/caller.js";
import type { Ctx } from "../domain/context.js";
import { listEvents } from "../domain/list-events.js";
import { sendMessage, sendMessages } from "../domain/send-message.js";
import { setTyping } from "../domain/set-typing.js";
import { codeName, wireError } from "./errors.js";
import type { Call, Handlers } from "./funnel.js";
import { sentAnswer } from "./stored-messages.js";

type Result = MessageInitShape<typeof SendMessageResultSchema>;

/** The unary calls of MessageService; Subscribe stands in subscribe.ts. */
export function messageHandlers(
  ctx: Ctx,
  report: (error: unknown, call: Call) => void,
): Handlers<typeof MessageService> {
  const failed = (error: unknown, call: Call): Result => {
    const { code, message, detail, unexpected } = wireError(error, call.requestId);
    if (unexpected) report(error, call);
    return { error: { code: codeName(code), message, detail } };
  };
  return {
    async sendMessage({ caller, binary }, request) {
      return sentAnswer(SendMessageResponseSchema, await sendMessage(ctx, asUser(caller), request), binary);
    },
    async sendMessages(call, request) {
      const outcomes = await sendMessages(ctx, asUser(call.caller), request.requests);
      const results = outcomes.map(
        (outcome): Result =>
          outcome.ok ? sentAnswer(SendMessageResultSchema, outcome.value, call.binary) : failed(outcome.error, call),
      );
      return { results };
    },
    async setTyping({ caller }, request) {
      await setTyping(ctx, asUser(caller), request.peer, request.typing);
      return {};
    },
    listEvents: ({ caller, signal }, request) =>
      listEvents(ctx, asUser(caller), {
        cursor: request.cursor,
        pageSize: request.pageSize,
        waitMs: request.wait === undefined ? 0 : durationMs(request.wait),
        signal,
      }),
    async ackEvents({ caller }, request) {
      await ackEvents(ctx, asSession(caller), request.cursor);
      return {};
    },
    async pauseSession({ caller }) {
      const { appId, userId, sessionId } = asSession(caller);
      await ctx.presence.pause(appId, userId, sessionId);
      return {};
    },
  };
}
