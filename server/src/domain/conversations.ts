import { create, fromBinary } from "@bufbuild/protobuf";
import { ChatMessageSchema } from "@parley/proto/parley/v1/chat_message_pb.js";
import { type Conversation, ConversationSchema } from "@parley/proto/parley/v1/conversation_pb.js";
import { type Peer, PeerSchema } from "@parley/proto/parley/v1/peer_pb.js";
import {
  findConversation,
  findReadSeq,
  listConversations as listRows,
  listUnreadConversations,
} from "../store/conversations.js";
import { readLogState } from "../store/log.js";
import { countUnread, listMessages } from "../store/messages.js";
import type { Db } from "../store/schema.js";
import { snapshot } from "../store/snapshot.js";
import type { UserCaller } from "./caller.js";
import type { Ctx } from "./context.js";
import { directConversation, groupConversation, peerOf, systemConversation } from "./conversation-id.js";
import { DomainError, ErrorReason, invalidField } from "./errors.js";
import { cursorAt } from "./list-events.js";
import { nextPage, pageLimit, readPageToken } from "./page.js";
import { visibleAfter } from "./visibility.js";

/** The conversation that a peer names for a user. */
export function conversationOf(userId: string, peer: Peer | undefined): string {
  switch (peer?.peer.case) {
    case "userId":
      return directConversation(userId, peer.peer.value);
    case "groupId":
      return groupConversation(peer.peer.value);
    case "system":
      return systemConversation(userId);
    case "roomId":
      throw new DomainError(ErrorReason.UNSUPPORTED, "rooms keep nothing", { field: "peer.room_id" });
    default:
      throw invalidField("peer", "the peer must be a user, a group or system");
  }
}

interface Row {
  conversation_id: string;
  head_seq: number;
  floor_seq: number;
  read_seq: number;
}

/** A page of the caller's conversations, newest first, with the cursor it is exact at; see ConversationService.ListConversations. */
export async function listConversations(ctx: Ctx, caller: UserCaller, pageSize: number, token: string) {
  const limit = pageLimit(ctx, pageSize);
  const [before = Number.MAX_SAFE_INTEGER] = (readPageToken(token, ["number"]) as [number] | undefined) ?? [];
  // One snapshot for all of it, so that the cursor is exact.
  return await snapshot(ctx.read, async (db) => {
    const state = await readLogState(db, caller.appId);
    const rows = await listRows(db, caller.appId, caller.userId, before, limit + 1);
    const { items, nextPageToken } = nextPage(rows, limit, (row) => [row.last_pos]);
    const conversations: Conversation[] = [];
    for (const row of items) conversations.push(await conversationView(db, caller, row));
    let unreadTotal = 0;
    for (const row of await listUnreadConversations(db, caller.appId, caller.userId))
      unreadTotal += await unreadOf(db, caller, row);
    return {
      conversations,
      nextPageToken,
      cursor: cursorAt(caller.appId, state, state.head),
      unreadTotal,
    };
  });
}

/** One conversation as the caller sees it; an empty one when nothing was said yet. */
export async function getConversation(ctx: Ctx, caller: UserCaller, peer: Peer | undefined): Promise<Conversation> {
  const conversationId = conversationOf(caller.userId, peer);
  return await snapshot(ctx.read, async (db) => {
    await visibleAfter(db, caller.appId, caller.userId, conversationId);
    const found = await findConversation(db, caller.appId, conversationId);
    const read_seq = (await findReadSeq(db, caller.appId, caller.userId, conversationId)) ?? 0;
    const { head_seq, floor_seq } = found ?? { head_seq: 0, floor_seq: 0 };
    return await conversationView(db, caller, { conversation_id: conversationId, head_seq, floor_seq, read_seq });
  });
}

async function conversationView(db: Db, caller: UserCaller, row: Row): Promise<Conversation> {
  const afterPos = await visibleAfter(db, caller.appId, caller.userId, row.conversation_id);
  const range = { afterSeq: row.floor_seq, beforeSeq: undefined, beforeMs: undefined, afterPos };
  const [newest] = await listMessages(db, caller.appId, row.conversation_id, range, "newest", 1);
  const view = create(ConversationSchema, {
    conversationId: row.conversation_id,
    peer: wirePeer(row.conversation_id, caller.userId),
    headSeq: row.head_seq,
    readSeq: row.read_seq,
    unreadCount: await unreadOf(db, caller, row),
  });
  if (newest !== undefined) view.lastMessage = fromBinary(ChatMessageSchema, newest.payload);
  return view;
}

/** The exact number of unread messages, counted from what is stored. */
export async function unreadOf(db: Db, caller: UserCaller, row: Row): Promise<number> {
  if (row.read_seq >= row.head_seq) return 0;
  const afterPos = await visibleAfter(db, caller.appId, caller.userId, row.conversation_id);
  const afterSeq = Math.max(row.read_seq, row.floor_seq);
  return await countUnread(db, caller.appId, row.conversation_id, caller.userId, afterSeq, afterPos);
}

function wirePeer(conversationId: string, readerId: string): Peer {
  const peer = peerOf(conversationId, readerId);
  if (peer.kind === "group") return create(PeerSchema, { peer: { case: "groupId", value: peer.groupId } });
  if (peer.kind === "user") return create(PeerSchema, { peer: { case: "userId", value: peer.userId } });
  return create(PeerSchema, { peer: { case: "system", value: {} } });
}
