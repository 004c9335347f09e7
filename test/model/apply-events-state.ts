import { toJson } from "@bufbuild/protobuf";
import { type Timestamp, TimestampSchema } from "@bufbuild/protobuf/wkt";
import { type ChatMessage, ChatMessageSchema } from "@parley/proto/parley/v1/chat_message_pb.js";
import type { Conversation } from "@parley/proto/parley/v1/conversation_pb.js";
import { GroupMemberSchema, GroupSchema } from "@parley/proto/parley/v1/group_pb.js";
import { type Peer, PeerSchema } from "@parley/proto/parley/v1/peer_pb.js";
import { RoomMemberSchema, RoomSchema } from "@parley/proto/parley/v1/room_pb.js";
import { UserSchema, View } from "@parley/proto/parley/v1/user_pb.js";
import type { Rpc, TestUser } from "../support/clients.js";
import { must } from "../support/messaging.js";

export type Json = Record<string, unknown>;

/** A conversation as its reader sees it, with all that can be read of it. */
export interface Talk {
  conversationId: string;
  headSeq: number;
  readSeq: number;
  unreadCount: number;
  messages: Json[];
}

/** A group or a room with its memberships, in the order of joining. */
export interface Place {
  place: Json;
  members: Json[];
}

/** All that one user can read of an app, but for what is transient: what an application would hold in its own store. */
export interface ClientState {
  unreadTotal: number;
  /** By the peer, as JSON. */
  talks: Record<string, Talk>;
  /** Oneself and one's friends. */
  users: Record<string, Json>;
  /** The times at which friendships began. */
  friends: Record<string, string>;
  groups: Record<string, Place>;
  rooms: Record<string, Place>;
}

export const messageJson = (message: ChatMessage): Json => toJson(ChatMessageSchema, message) as Json;
/** A peer as a key. */
export const peerKey = (peer: Peer | undefined): string => JSON.stringify(toJson(PeerSchema, must(peer)));

/** Reads everything afresh. */
export async function fetchState({ userId, rpc }: Pick<TestUser, "userId" | "rpc">): Promise<ClientState> {
  const [talks, friends, own, groups, rooms] = await Promise.all([
    fetchTalks(rpc),
    pages((pageToken) => rpc.friend.listFriends({ view: View.FULL, pageToken, pageSize: 100 }), "friends"),
    rpc.user.getUser({ userId }),
    pages((pageToken) => rpc.group.listGroups({ view: View.FULL, pageToken, pageSize: 100 }), "groups"),
    pages((pageToken) => rpc.room.listRooms({ view: View.FULL, pageToken, pageSize: 100 }), "rooms"),
  ]);
  const users = [own.user, ...friends.map((friend) => friend.user)].map(must);
  return {
    ...talks,
    users: Object.fromEntries(users.map((user) => [user.userId, toJson(UserSchema, user) as Json])),
    friends: Object.fromEntries(friends.map((friend) => [friend.userId, timeOf(friend.createTime)])),
    groups: Object.fromEntries(
      await Promise.all(groups.map(async ({ groupId }) => [groupId, await fetchGroup(rpc, groupId)] as const)),
    ),
    rooms: Object.fromEntries(
      await Promise.all(rooms.map(async ({ roomId }) => [roomId, await fetchRoom(rpc, roomId)] as const)),
    ),
  };
}

async function fetchTalks(rpc: Rpc): Promise<Pick<ClientState, "talks" | "unreadTotal">> {
  let unreadTotal = 0;
  const all = await pages(async (pageToken) => {
    const page = await rpc.conversation.listConversations({ pageToken, pageSize: 100 });
    ({ unreadTotal } = page);
    return page;
  }, "conversations");
  const talks = await Promise.all(all.map(async (one) => [peerKey(one.peer), await fetchTalk(rpc, one)] as const));
  return { unreadTotal, talks: Object.fromEntries(talks) };
}

async function fetchTalk(rpc: Rpc, conversation: Conversation): Promise<Talk> {
  const { peer, conversationId, headSeq, readSeq, unreadCount } = conversation;
  const position = { case: "afterSeq", value: 0 } as const;
  const messages = await pages(
    (pageToken) => rpc.history.listMessages({ peer: must(peer), position, pageToken, pageSize: 100 }),
    "messages",
  );
  const last = conversation.lastMessage?.messageId;
  if (last !== messages.at(-1)?.messageId)
    throw new Error(`last_message is not the last of the messages of ${peerKey(peer)}`);
  return { conversationId, headSeq, readSeq, unreadCount, messages: messages.map(messageJson) };
}

async function fetchGroup(rpc: Rpc, groupId: string): Promise<Place> {
  const { group } = await rpc.group.getGroup({ groupId });
  const members = await pages(
    (pageToken) => rpc.group.listGroupMembers({ groupId, pageToken, pageSize: 100 }),
    "members",
  );
  const place = toJson(GroupSchema, must(group)) as Json;
  return { place, members: members.map((member) => toJson(GroupMemberSchema, member) as Json) };
}

async function fetchRoom(rpc: Rpc, roomId: string): Promise<Place> {
  const { room } = await rpc.room.getRoom({ roomId });
  const members = await pages((pageToken) => rpc.room.listRoomMembers({ roomId, pageToken, pageSize: 100 }), "members");
  const place = toJson(RoomSchema, must(room)) as Json;
  return { place, members: members.map((member) => toJson(RoomMemberSchema, member) as Json) };
}

async function pages<F extends string, P extends { nextPageToken: string } & { [K in F]: unknown[] }>(
  page: (token: string) => Promise<P>,
  field: F,
): Promise<P[F][number][]> {
  const all: P[F][number][] = [];
  for (let token = ""; ; ) {
    const answer = await page(token);
    all.push(...answer[field]);
    token = answer.nextPageToken;
    if (token === "") return all;
  }
}

/** A time in the form of JSON. */
export const timeOf = (time: Timestamp | undefined): string => String(toJson(TimestampSchema, must(time)));
