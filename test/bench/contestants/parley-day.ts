import { createClient } from "@connectrpc/connect";
import { AuthService } from "@parley/proto/parley/v1/auth_service_pb.js";
import { ConversationService } from "@parley/proto/parley/v1/conversation_service_pb.js";
import { FriendService } from "@parley/proto/parley/v1/friend_service_pb.js";
import { GroupService } from "@parley/proto/parley/v1/group_service_pb.js";
import { HistoryService } from "@parley/proto/parley/v1/history_service_pb.js";
import { MessageService } from "@parley/proto/parley/v1/message_service_pb.js";
import { RoomService } from "@parley/proto/parley/v1/room_service_pb.js";
import { UserService } from "@parley/proto/parley/v1/user_service_pb.js";
import type { DayUser, JoinOptions } from "../contestant.js";
import type { ReadyLine } from "../server-process.js";
import { login, toRequest } from "./parley-member.js";
import { openReceiver, toReceived } from "./parley-receiver.js";
import { toPeer } from "./parley-server.js";
import { openTransport, type Protocol } from "./parley-transport.js";

/** A user of the mixed day on the generated clients. */
export async function joinParleyDay(
  server: ReadyLine,
  options: Required<JoinOptions>,
  protocol: Protocol,
): Promise<DayUser> {
  const { userId } = options;
  const { transport, close } = openTransport(protocol, server.url);
  const token = await login(createClient(AuthService, transport), server, userId);
  const call = { headers: { authorization: `Bearer ${token}` } };
  const message = createClient(MessageService, transport);
  const conversation = createClient(ConversationService, transport);
  const history = createClient(HistoryService, transport);
  const friend = createClient(FriendService, transport);
  const user = createClient(UserService, transport);
  let receiver = await openReceiver(message, call.headers, options);

  return {
    userId,
    async send(to, text, clientMessageId) {
      const { message: stored } = await message.sendMessage(toRequest(to, text, clientMessageId), call);
      if (!stored) throw new Error("a send was answered without its message");
      return toReceived(stored);
    },
    read: async (of) => void (await history.listMessages({ peer: toPeer(of) }, call)),
    markRead: async (of) => void (await conversation.markRead({ peer: toPeer(of) }, call)),
    listConversations: async () => void (await conversation.listConversations({}, call)),
    seePresence: async (of) => void (await user.batchGetPresence({ userIds: [...of] }, call)),
    type: async (to) => void (await message.setTyping({ peer: toPeer(to), typing: true }, call)),
    befriend: async (other) => void (await friend.addFriend({ userId: other }, call)),
    async create(kind, others) {
      const request = { name: "bench", memberUserIds: [...others] };
      if (kind === "group") {
        const { group } = await createClient(GroupService, transport).createGroup(request, call);
        return { kind, id: group?.groupId ?? "" };
      }
      const { room } = await createClient(RoomService, transport).createRoom(request, call);
      return { kind, id: room?.roomId ?? "" };
    },
    async turnUp() {
      receiver.close();
      receiver = await openReceiver(message, call.headers, options, receiver.cursor);
    },
    async close() {
      receiver.close();
      close();
    },
  };
}
