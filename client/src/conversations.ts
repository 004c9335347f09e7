import type { Conversation } from "@parley/proto/parley/v1/conversation_pb.js";
import type { Peer } from "@parley/proto/parley/v1/peer_pb.js";
import { type PageOptions, present } from "./page.js";
import type { Rpc } from "./rpc.js";

/** A page of conversations. */
export interface ConversationPage {
  /** The conversations, newest first. */
  readonly conversations: Conversation[];
  readonly nextPageToken: string;
  /** The place in the event log that this page is exact at. */
  readonly cursor: string;
  /** The number of unread messages over all conversations. */
  readonly unreadTotal: number;
}

/** Conversations and their read markers. */
export interface Conversations {
  /** Lists one page of the caller's conversations that hold a message. */
  list(page?: PageOptions): Promise<ConversationPage>;
  /** Gets one conversation. Errors: NOT_FOUND, NOT_MEMBER, UNSUPPORTED (rooms). */
  get(peer: Peer): Promise<Conversation>;
  /** Moves the read marker forward, by default to the head; it never moves back. */
  markRead(peer: Peer, readSeq?: number): Promise<{ readSeq: number; unreadCount: number }>;
  /** Takes a conversation off the caller's list until its next message; its history stays, unless it is to be hidden too. */
  delete(peer: Peer, options?: { hideHistory?: boolean }): Promise<void>;
}

/** Makes the calls about conversations. */
export function createConversations({ conversation }: Rpc): Conversations {
  return {
    list: (page = {}) => conversation.listConversations(page),
    get: async (peer) => present((await conversation.getConversation({ peer })).conversation),
    markRead: (peer, readSeq = 0) => conversation.markRead({ peer, readSeq }),
    delete: async (peer, { hideHistory = false } = {}) =>
      void (await conversation.deleteConversation({ peer, hideHistory })),
  };
}
