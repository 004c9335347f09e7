import type { ConversationService } from "@parley/proto/parley/v1/conversation_service_pb.js";
import { asUser } from "../domain/caller.js";
import type { Ctx } from "../domain/context.js";
import { getConversation, listConversations } from "../domain/conversations.js";
import { deleteConversation } from "../domain/hide-history.js";
import { markRead } from "../domain/mark-read.js";
import type { Handlers } from "./funnel.js";

export function conversationHandlers(ctx: Ctx): Handlers<typeof ConversationService> {
  return {
    listConversations: ({ caller }, request) =>
      listConversations(ctx, asUser(caller), request.pageSize, request.pageToken),
    getConversation: async ({ caller }, request) => ({
      conversation: await getConversation(ctx, asUser(caller), request.peer),
    }),
    markRead: ({ caller }, request) => markRead(ctx, asUser(caller), request.peer, request.readSeq),
    async deleteConversation({ caller }, { peer, hideHistory }) {
      await deleteConversation(ctx, asUser(caller), peer, hideHistory);
      return {};
    },
  };
}
