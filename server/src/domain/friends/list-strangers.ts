import { create, fromBinary } from "@bufbuild/protobuf";
import { ChatMessageSchema } from "@parley/proto/parley/v1/chat_message_pb.js";
import { type Stranger, StrangerSchema } from "@parley/proto/parley/v1/friend_pb.js";
import type { ListStrangersRequest } from "@parley/proto/parley/v1/friend_service_pb.js";
import { View } from "@parley/proto/parley/v1/user_pb.js";
import { findListed, listDirectTalks } from "../../store/conversations.js";
import { findFriendsAmong, findNewestMessages } from "../../store/friends.js";
import type { Db } from "../../store/schema.js";
import { snapshot } from "../../store/snapshot.js";
import { findUser, findUserKinds, findUsers } from "../../store/users.js";
import { asUser, type Caller, type UserCaller } from "../caller.js";
import type { Ctx } from "../context.js";
import { directConversation, directUsers } from "../conversation-id.js";
import { pageLimit, pageToken, readPageToken } from "../page.js";
import { userOf } from "../user.js";
import { presenceOf } from "../users/presence.js";

/** Lists those the caller has talked with and is no friend of; see FriendService.ListStrangers. */
export async function listStrangers(
  ctx: Ctx,
  caller: Caller,
  request: ListStrangersRequest,
): Promise<{ strangers: Stranger[]; nextPageToken: string }> {
  const by = asUser(caller);
  const limit = pageLimit(ctx, request.pageSize);
  const [after = ""] = readPageToken(request.pageToken, ["string"]) ?? [];
  return await snapshot(ctx.read, async (db) => {
    const found = await readStrangers(db, by, request.userIds, String(after), limit + 1);
    const page = found.slice(0, limit);
    const last = page.at(-1);
    return {
      strangers:
        request.view === View.FULL
          ? await wholeStrangers(ctx, db, by, page)
          : page.map(({ userId }) => create(StrangerSchema, { userId })),
      nextPageToken: last !== undefined && found.length > limit ? pageToken(last.conversationId) : "",
    };
  });
}

interface Talk {
  conversationId: string;
  userId: string;
}

const STEP = 500;

/** The first of the strangers after a conversation. Friends, who are passed over, are bounded in number. */
async function readStrangers(db: Db, by: UserCaller, named: readonly string[], after: string, limit: number) {
  const found: Talk[] = [];
  for (let from = after; found.length < limit; ) {
    const ids = named.length > 0 ? await talksWith(db, by, named, from) : await talksAfter(db, by, from);
    const talks = ids.map((conversationId): Talk => ({ conversationId, userId: otherOf(conversationId, by.userId) }));
    const others = talks.map(({ userId }) => userId);
    const friends = new Set(await findFriendsAmong(db, by.appId, by.userId, others));
    // Who was deleted is nobody's stranger.
    const there = await findUserKinds(db, by.appId, others);
    found.push(...talks.filter(({ userId }) => userId !== by.userId && !friends.has(userId) && there.has(userId)));
    const last = ids.at(-1);
    if (last === undefined || named.length > 0 || ids.length < STEP) break;
    from = last;
  }
  return found.slice(0, limit);
}

const talksAfter = (db: Db, by: UserCaller, after: string) => listDirectTalks(db, by.appId, by.userId, after, STEP);

async function talksWith(db: Db, by: UserCaller, userIds: readonly string[], after: string): Promise<string[]> {
  const asked = [...new Set(userIds)].map((userId) => directConversation(by.userId, userId));
  const talks = await findListed(db, by.appId, by.userId, asked);
  return [...talks].filter((id) => id > after).sort();
}

function otherOf(conversationId: string, userId: string): string {
  const [a = "", b = ""] = directUsers(conversationId) ?? [];
  return a === userId ? b : a;
}

async function wholeStrangers(ctx: Ctx, db: Db, by: UserCaller, talks: readonly Talk[]): Promise<Stranger[]> {
  const self = await findUser(db, by.appId, by.userId);
  const rows = await findUsers(
    db,
    by.appId,
    talks.map(({ userId }) => userId),
  );
  const users = new Map(rows.map((row) => [row.user_id, row]));
  const conversations = talks.map(({ conversationId }) => conversationId);
  const newest = await findNewestMessages(db, by.appId, by.userId, conversations, self?.created_pos ?? 0);
  return talks.flatMap(({ conversationId, userId }) => {
    const row = users.get(userId);
    if (row === undefined) return [];
    const { online, lastActiveTime } = presenceOf(ctx, row);
    const message = newest.get(conversationId);
    return create(StrangerSchema, {
      userId,
      online,
      lastActiveTime,
      user: userOf(row),
      lastMessage: message && fromBinary(ChatMessageSchema, message),
    });
  });
}
