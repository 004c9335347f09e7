import { create } from "@bufbuild/protobuf";
import {
  GetMessageResponseSchema,
  type HistoryService,
  ListMessagesResponseSchema,
} from "@parley/proto/parley/v1/history_service_pb.js";
import { asUser } from "../domain/caller.js";
import { clearHistory } from "../domain/clear-history.js";
import type { Ctx } from "../domain/context.js";
import { hideHistory } from "../domain/hide-history.js";
import { getMessage, listMessages } from "../domain/history.js";
import type { Handlers } from "./funnel.js";
import { putMessages } from "./stored-messages.js";

export function historyHandlers(ctx: Ctx): Handlers<typeof HistoryService> {
  return {
    async listMessages({ caller, binary }, request) {
      const { payloads, ...rest } = await listMessages(ctx, asUser(caller), request);
      const schema = ListMessagesResponseSchema;
      return putMessages(schema, create(schema, rest), "messages", payloads, binary);
    },
    async getMessage({ caller, binary }, request) {
      const payload = await getMessage(ctx, asUser(caller), request.messageId);
      const schema = GetMessageResponseSchema;
      return putMessages(schema, create(schema), "message", [payload], binary);
    },
    clearHistory: async ({ caller }, { peer }) => ({ clearedSeq: await clearHistory(ctx, caller, peer) }),
    hideHistory: async ({ caller }, { peer, upToSeq }) => ({
      hiddenSeq: await hideHistory(ctx, asUser(caller), peer, upToSeq),
    }),
  };
}
