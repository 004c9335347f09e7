import type { ChatMessage } from "@parley/proto/parley/v1/chat_message_pb.js";
import type { ResyncReason } from "@parley/proto/parley/v1/message_service_pb.js";
import {
  ChangeKind,
  type ConversationChanged,
  type FriendChanged,
  type GroupChanged,
  type GroupMemberChanged,
  type HistoryCleared,
  type PresenceChanged,
  type ReadMarkerChanged,
  type RoomChanged,
  type RoomMemberChanged,
  type SessionRevoked,
  type StreamEvent,
  type TypingChanged,
} from "@parley/proto/parley/v1/stream_event_pb.js";
import type { User } from "@parley/proto/parley/v1/user_pb.js";
import type { ParleyError } from "./errors.js";
import type { PresenceTracker } from "./presence.js";
import type { StreamState } from "./stream-state.js";

/** The state of a client: `name`, with `inner` when paused and `reason` when closed. */
export type ClientState = StreamState;

/** Somebody came online or went offline. */
export type FriendPresence = Pick<PresenceChanged, "userId" | "online" | "lastActiveTime">;

/**
 * The events of a client by name. Those of the stream come one at a time and in order; the next one waits until every listener has
 * returned and the promises they returned have settled. What a listener throws goes to `error`.
 */
export interface ClientEvents {
  /** Another user wrote to this user. */
  friendMessage: ChatMessage;
  /** Another user wrote in a group; `sender` is who, `receiver` where. */
  groupMessage: ChatMessage;
  /** Another user spoke in a room; at most once, never stored. */
  roomMessage: ChatMessage;
  /** This user wrote, on this or another device. */
  ownMessage: ChatMessage;
  /** The system wrote; `receiver` tells whether to everyone, to this user, or to a group or room. */
  systemMessage: ChatMessage;
  /** A message changed, such as by a recall. */
  messageUpdated: ChatMessage;
  friendOnline: FriendPresence;
  friendOffline: FriendPresence;
  /** Somebody who is no friend and tells everyone came online: a support desk. */
  someoneOnline: FriendPresence;
  someoneOffline: FriendPresence;
  /** A friendship was made or ended, by either side. */
  friendChanged: FriendChanged;
  groupChanged: GroupChanged;
  groupMemberChanged: GroupMemberChanged;
  roomChanged: RoomChanged;
  roomMemberChanged: RoomMemberChanged;
  /** Somebody types, or stopped; it ends by itself after 6 s without another. */
  typing: TypingChanged;
  /** Somebody has read up to a seq: this user on another device, or the other side. */
  readMarker: ReadMarkerChanged;
  /** The profile of this user or of a friend changed. */
  userChanged: User;
  /** A user was deleted: each message of it known so far reads as deleted from now on, and its profile is gone. */
  userDeleted: { readonly userId: string };
  /** History can no longer be read: cleared by a group's owner for all, or hidden by this user (`own`), maybe on another device. */
  historyCleared: HistoryCleared;
  /** A conversation left the list (REMOVED), or was filled from another system (UPDATED) and is to be read anew. */
  conversationChanged: ConversationChanged;
  /** The session is over; the state becomes `closed`. */
  sessionRevoked: SessionRevoked;
  /** Every event of the stream as it came, after its own name was told; unknown kinds too. */
  event: StreamEvent;
  /** Events were missed for good: reload what is shown. Saved cursors move on once the listeners are done. */
  resync: { readonly reason: ResyncReason };
  state: ClientState;
  /** The stream was lost or refused; `state` tells what follows. */
  disconnected: ParleyError;
  /** A listener threw, or a store failed. Nothing stops for it. */
  error: unknown;
}

/** One event under its own name. */
export type NamedEvent = { [Name in keyof ClientEvents]: readonly [Name, ClientEvents[Name]] }[keyof ClientEvents];

function messageName(
  message: ChatMessage,
  ownUserId: string,
): "friendMessage" | "groupMessage" | "roomMessage" | "ownMessage" {
  if (message.sender?.sender.case === "userId" && message.sender.sender.value === ownUserId) return "ownMessage";
  switch (message.receiver?.peer.case) {
    case "groupId":
      return "groupMessage";
    case "roomId":
      return "roomMessage";
    default:
      return "friendMessage";
  }
}

function presenceEvent(change: PresenceChanged, ownUserId: string, presence: PresenceTracker): NamedEvent | undefined {
  // Friends have been told before all others were.
  if (change.toEveryone && (change.userId === ownUserId || presence.isFriend(change.userId))) return undefined;
  if (change.toEveryone) return [change.online ? "someoneOnline" : "someoneOffline", change];
  if (!presence.apply(change)) return undefined;
  return [change.online ? "friendOnline" : "friendOffline", change];
}

/** Gives an event of the stream its own name; undefined for an unknown kind, and for presence that is no news. */
export function nameEvent(
  { event }: StreamEvent,
  ownUserId: string,
  presence: PresenceTracker,
): NamedEvent | undefined {
  switch (event.case) {
    case "messageCreated": {
      const { message } = event.value;
      return message && [messageName(message, ownUserId), message];
    }
    case "messageUpdated":
      return event.value.message && ["messageUpdated", event.value.message];
    case "systemMessage":
      return event.value.message && ["systemMessage", event.value.message];
    case "presenceChanged":
      return presenceEvent(event.value, ownUserId, presence);
    case "friendChanged":
      return ["friendChanged", event.value];
    case "groupChanged":
      return ["groupChanged", event.value];
    case "groupMemberChanged":
      return ["groupMemberChanged", event.value];
    case "roomChanged":
      return ["roomChanged", event.value];
    case "roomMemberChanged":
      return ["roomMemberChanged", event.value];
    case "typingChanged":
      return ["typing", event.value];
    case "readMarkerChanged":
      return ["readMarker", event.value];
    case "userChanged": {
      const { user, change } = event.value;
      if (user === undefined) return undefined;
      return change === ChangeKind.REMOVED ? ["userDeleted", { userId: user.userId }] : ["userChanged", user];
    }
    case "historyCleared":
      return ["historyCleared", event.value];
    case "conversationChanged":
      return ["conversationChanged", event.value];
    case "sessionRevoked":
      return ["sessionRevoked", event.value];
    default:
      return undefined;
  }
}
