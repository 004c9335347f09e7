import type { Peer } from "@parley/proto/parley/v1/peer_pb.js";
import { groupPlace, roomPlace, userAudience } from "../store/audience.js";
import { directConversation, systemConversation } from "./conversation-id.js";
import { invalidField } from "./errors.js";

/** Where a message goes. */
export interface SendTarget {
  kind: "user" | "group" | "room";
  /** The id of the user, group or room. */
  id: string;
  /** Empty for a room, whose talk is in no conversation. */
  conversationId: string;
  audiences: readonly string[];
  /** The users whose list the conversation joins with its first message; a group's members have it from joining. */
  userIds: readonly string[];
}

/** Where a message of a user (or of the system, for an empty sender) to a peer goes. */
export function targetOf(senderId: string, receiver: Peer | undefined): SendTarget {
  const peer = receiver?.peer;
  switch (peer?.case) {
    case "userId": {
      const id = peer.value;
      if (senderId === "")
        return {
          kind: "user",
          id,
          conversationId: systemConversation(id),
          audiences: [userAudience(id)],
          userIds: [id],
        };
      return {
        kind: "user",
        id,
        conversationId: directConversation(senderId, id),
        audiences: [userAudience(id), userAudience(senderId)],
        userIds: senderId === id ? [id] : [senderId, id],
      };
    }
    case "groupId": {
      const place = groupPlace(peer.value);
      return { kind: "group", id: peer.value, conversationId: place, audiences: [place], userIds: [] };
    }
    case "roomId":
      return { kind: "room", id: peer.value, conversationId: "", audiences: [roomPlace(peer.value)], userIds: [] };
    default:
      throw invalidField("receiver", "the receiver must be a user, a group or a room");
  }
}
