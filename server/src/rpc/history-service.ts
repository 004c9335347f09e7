import type { HistoryService } from "@parley/proto/parley/v1/history_service_pb.js";
import { asUser } from "../domain/caller.js";
import { clearHistory } from "../domain/clear-history.js";
import type { Ctx } from "../domain/context.js";
import { hideHistory } from "../domain/hide-history.js";
import { getMessage, listMessages } from "../domain/history.js";
import type { Handlers } from "./funnel.js";

export function historyHandlers(ctx: Ctx): Handlers<typeof HistoryService> {
  return {
    listMessages: ({ caller }, request) => listMessages(ctx, asUser(caller), request),
    getMessage: async ({ caller }, request) => ({
      message: await getMessage(ctx, asUser(caller), request.messageId),
    }),
    clearHistory: async ({ caller }, { peer }) => ({ clearedSeq: await clearHistory(ctx, caller, peer) }),
    hideHistory: async ({ caller }, { peer, upToSeq }) => ({
      hiddenSeq: await hideHistory(ctx, asUser(caller), peer, upToSeq),
    }),
  };
}
