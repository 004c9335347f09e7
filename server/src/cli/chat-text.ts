import { type Timestamp, timestampDate } from "@bufbuild/protobuf/wkt";
import type { ChatMessage } from "@parley/proto/parley/v1/chat_message_pb.js";
import type { MessageContent } from "@parley/proto/parley/v1/message_content_pb.js";
import type { Peer } from "@parley/proto/parley/v1/peer_pb.js";
import { ChangeKind, type StreamEvent } from "@parley/proto/parley/v1/stream_event_pb.js";

/** A message as a line, such as `12:03 Jerry: Hello`. */
export function messageLine(message: ChatMessage): string {
  const { sender, receiver, content, createTime } = message;
  const name = sender?.sender.case === "userId" ? sender.sender.value : "system";
  return `${clock(createTime)} ${placeOf(receiver)}${name}: ${contentText(content)}`;
}

/** What an event that is no message tells, or undefined when it is not for the eye. */
export function noticeOf({ event }: StreamEvent): string | undefined {
  switch (event.case) {
    case "presenceChanged":
      // A friend has been told of before all others were.
      if (event.value.toEveryone) return undefined;
      return `${event.value.userId} is ${event.value.online ? "online" : "offline"}`;
    case "friendChanged":
      return event.value.change === ChangeKind.REMOVED
        ? `${event.value.userId} is no longer a friend`
        : `${event.value.userId} is now a friend`;
    case "userChanged":
      return event.value.change === ChangeKind.REMOVED ? `${event.value.user?.userId} was deleted` : undefined;
    case "historyCleared":
      return `history up to ${event.value.upToSeq} of ${event.value.conversationId} is gone`;
    case "groupChanged":
      return `group ${event.value.groupId} was ${changed(event.value.change)}`;
    case "groupMemberChanged":
      return `group ${event.value.groupId}: ${event.value.userIds.join(", ")} ${changed(event.value.change)}`;
    case "roomChanged":
      return `room ${event.value.roomId} was ${changed(event.value.change)}`;
    case "roomMemberChanged":
      return `room ${event.value.roomId}: ${event.value.userIds.join(", ")} ${changed(event.value.change)}`;
    default:
      return undefined;
  }
}

function changed(change: ChangeKind): string {
  if (change === ChangeKind.ADDED) return "added";
  return change === ChangeKind.REMOVED ? "removed" : "changed";
}

function placeOf(receiver: Peer | undefined): string {
  if (receiver?.peer.case === "groupId") return `#${receiver.peer.value} `;
  return receiver?.peer.case === "roomId" ? `~${receiver.peer.value} ` : "";
}

function contentText(content: MessageContent | undefined): string {
  const inner = content?.content;
  switch (inner?.case) {
    case "text":
      return safe(inner.value.text);
    case "location":
      return `[location ${inner.value.latitude}, ${inner.value.longitude}] ${safe(inner.value.name)}`;
    case "custom":
      return safe(inner.value.fallbackText || `[${inner.value.type}]`);
    default:
      return `[${inner?.case ?? "empty"}]`;
  }
}

/** What others wrote, without what would steer the terminal. */
export function safe(text: string): string {
  return text.replace(/\r?\n/g, "\n    ").replace(/[^\P{Cc}\n\t]/gu, "\u{fffd}");
}

function clock(time: Timestamp | undefined): string {
  const date = time === undefined ? new Date() : timestampDate(time);
  return [date.getHours(), date.getMinutes()].map((part) => String(part).padStart(2, "0")).join(":");
}
