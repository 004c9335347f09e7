import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import { AuthService, type LoginRequestSchema } from "@parley/proto/parley/v1/auth_service_pb.js";
import type { ChatMessage } from "@parley/proto/parley/v1/chat_message_pb.js";
import { FriendService } from "@parley/proto/parley/v1/friend_service_pb.js";
import { HistoryService } from "@parley/proto/parley/v1/history_service_pb.js";
import { MessageService } from "@parley/proto/parley/v1/message_service_pb.js";
import type { PeerSchema } from "@parley/proto/parley/v1/peer_pb.js";
import { RoomService } from "@parley/proto/parley/v1/room_service_pb.js";
import { transportTo } from "./transport.js";

/** Who the lines go to. */
export type ChatPeer = Exclude<MessageInitShape<typeof PeerSchema>["peer"], undefined> & {
  case: "userId" | "groupId" | "roomId";
  value: string;
};

/** A login and the calls a chat needs. */
export interface ChatSession {
  userId: string;
  messages: ReturnType<typeof createClient<typeof MessageService>>;
  send(peer: ChatPeer, text: string): Promise<void>;
  history(peer: ChatPeer, count: number): Promise<ChatMessage[]>;
  friends(): Promise<{ userId: string; online: boolean }[]>;
  addFriend(userId: string): Promise<void>;
  joinRoom(roomId: string): Promise<void>;
  /** Whether a message was sent by this program, or was seen before. */
  seen(message: ChatMessage): boolean;
  logout(): Promise<void>;
}

const RETRIES_MS = [200, 500, 1000, 2000, 5000, 5000, 5000];
const PASSING: readonly Code[] = [Code.Unavailable, Code.DeadlineExceeded, Code.Aborted, Code.ResourceExhausted];
const MOST_SEEN = 10_000;

/** Logs in and gives the calls of the session. */
export async function openSession(
  url: string,
  login: MessageInitShape<typeof LoginRequestSchema>,
): Promise<ChatSession> {
  let token: string | undefined;
  const transport: Transport = transportTo(url, () => token);
  const auth = createClient(AuthService, transport);
  const messages = createClient(MessageService, transport);
  const friends = createClient(FriendService, transport);
  const { userId, sessionToken } = await auth.login(login);
  token = sessionToken;
  const keys = new Set<string>();
  const noted = (key: string): boolean => {
    if (keys.has(key)) return true;
    if (keys.size >= MOST_SEEN) keys.clear();
    keys.add(key);
    return false;
  };
  return {
    userId,
    messages,
    async send(peer, text) {
      const clientMessageId = randomUUID();
      noted(`${userId} ${clientMessageId}`);
      const content = { content: { case: "text" as const, value: { text } } };
      // The id makes a repeat harmless, so a send whose fate is unknown is tried again.
      await persist(() => messages.sendMessage({ receiver: { peer }, content, clientMessageId }));
    },
    async history(peer, count) {
      const { messages: page } = await createClient(HistoryService, transport).listMessages({
        peer: { peer },
        pageSize: count,
      });
      return page;
    },
    friends: async () => (await friends.listFriends({ pageSize: 100 })).friends,
    async addFriend(friendId) {
      await friends.addFriend({ userId: friendId });
    },
    async joinRoom(roomId) {
      await createClient(RoomService, transport).joinRoom({ roomId });
    },
    seen({ sender, clientMessageId }) {
      return noted(`${sender?.sender.case === "userId" ? sender.sender.value : ""} ${clientMessageId}`);
    },
    async logout() {
      await auth.logout({}, { timeoutMs: 2000 }).catch(() => undefined);
    },
  };
}

async function persist(call: () => Promise<unknown>): Promise<void> {
  for (const delayMs of [...RETRIES_MS, undefined]) {
    try {
      await call();
      return;
    } catch (error) {
      if (delayMs === undefined || !PASSING.includes(ConnectError.from(error).code)) throw error;
      await sleep(delayMs);
    }
  }
}
