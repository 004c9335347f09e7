import { fromJson, type JsonObject } from "@bufbuild/protobuf";
import { type ChatMessage, ChatMessageSchema } from "@parley/proto/parley/v1/chat_message_pb.js";
import { type Peer, PeerSchema, type Sender, SenderSchema } from "@parley/proto/parley/v1/peer_pb.js";
import { system, user } from "./peer.js";

/** What a push says of the message it is for. */
export interface PushData {
  readonly pushId: string;
  readonly appId: string;
  readonly messageId: string;
  readonly conversationId: string;
  readonly seq: number;
  /** The conversation to open: that with the sender, of the group, or with the system. */
  readonly peer: Peer;
  /** The message itself; absent when it was too long for a push: `history` has it. */
  readonly message?: ChatMessage;
}

/** Reads the data of a push, as an object or as its JSON; undefined when it is none of ours, or of a form that this version does not know. */
export function readPush(data: unknown): PushData | undefined {
  try {
    const json = (typeof data === "string" ? JSON.parse(data) : data) as JsonObject | undefined;
    if (json?.v !== 1) return undefined;
    const { push_id, app_id, message_id, conversation_id, seq, message } = json;
    const options = { ignoreUnknownFields: true };
    return {
      pushId: String(push_id),
      appId: String(app_id),
      messageId: String(message_id),
      conversationId: String(conversation_id),
      seq: Number(seq),
      peer: peerOf(
        fromJson(SenderSchema, json.sender ?? {}, options),
        fromJson(PeerSchema, json.receiver ?? {}, options),
      ),
      ...(message !== undefined && { message: fromJson(ChatMessageSchema, message, options) }),
    };
  } catch {
    return undefined;
  }
}

function peerOf({ sender }: Sender, receiver: Peer): Peer {
  if (receiver.peer.case === "groupId") return receiver;
  return sender.case === "userId" ? user(sender.value) : system();
}
