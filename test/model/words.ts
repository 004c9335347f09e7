import { timestampMs } from "@bufbuild/protobuf/wkt";
import type { ChatMessage } from "@parley/proto/parley/v1/chat_message_pb.js";
import { type Group, type GroupMember, GroupRole, JoinPolicy } from "@parley/proto/parley/v1/group_pb.js";
import type { Peer } from "@parley/proto/parley/v1/peer_pb.js";
import type { Room } from "@parley/proto/parley/v1/room_pb.js";
import { ChangeKind, SessionRevokedReason, type StreamEvent } from "@parley/proto/parley/v1/stream_event_pb.js";
import { textOf } from "../support/messaging.js";

/**
 * What model and server are compared by: one line for each thing. Here are the lines of what the server says; the model makes the same lines
 * from what it knows.
 */
export interface MessageFacts {
  conversation: string;
  seq: number;
  /** Empty: the system. */
  sender: string;
  /** `user:…`, `group:…`, `room:…` or `everyone`. */
  receiver: string;
  key: string;
  words: string;
  atMs: number;
  /** The id of the message it answers. */
  replyTo: string;
}

export const messageLine = (m: MessageFacts): string =>
  ["message", m.conversation, m.seq, m.sender, m.receiver, m.key, m.words, m.atMs, m.replyTo].join("|");

export interface PlaceFacts {
  id: string;
  name: string;
  owner: string;
  members: readonly string[];
  count: number;
  policy: number;
  history: boolean;
}

export const placeLine = (p: PlaceFacts): string =>
  ["place", p.id, p.name, p.owner, p.members.join(","), p.count, p.policy, p.history].join("|");

export interface MemberFacts {
  user: string;
  role: number;
  alias: string;
  /** 0: not muted. */
  mutedUntilMs: number;
}

export const memberLine = (m: MemberFacts): string => ["member", m.user, m.role, m.alias, m.mutedUntilMs].join("|");

const time = (at: Parameters<typeof timestampMs>[0] | undefined): number => (at === undefined ? 0 : timestampMs(at));

export function peerWord(peer: Peer | undefined): string {
  switch (peer?.peer.case) {
    case "userId":
      return `user:${peer.peer.value}`;
    case "groupId":
      return `group:${peer.peer.value}`;
    case "roomId":
      return `room:${peer.peer.value}`;
    default:
      return peer?.peer.case ?? "nobody";
  }
}

export function saidMessage(message: ChatMessage | undefined): string {
  if (message === undefined) return "no message";
  return messageLine({
    conversation: message.conversationId,
    seq: message.seq,
    sender: message.sender?.sender.case === "userId" ? message.sender.sender.value : "",
    receiver: peerWord(message.receiver),
    key: message.clientMessageId,
    words: textOf(message),
    atMs: time(message.createTime),
    replyTo: message.replyToMessageId,
  });
}

export const saidGroup = (group: Group | undefined): string =>
  group === undefined
    ? ""
    : placeLine({
        id: group.groupId,
        name: group.name,
        owner: group.ownerUserId,
        members: group.memberUserIds,
        count: group.memberCount,
        policy: group.joinPolicy,
        history: group.historyForNewMembers,
      });

export const saidRoom = (room: Room | undefined): string =>
  room === undefined
    ? ""
    : placeLine({
        id: room.roomId,
        name: room.name,
        owner: room.creatorUserId,
        members: room.memberUserIds,
        count: room.memberCount,
        policy: JoinPolicy.OPEN,
        history: false,
      });

export const saidMember = (member: GroupMember | undefined): string =>
  member === undefined
    ? ""
    : memberLine({
        user: member.userId,
        role: member.role,
        alias: member.alias,
        mutedUntilMs: time(member.muteUntilTime),
      });

/** The line of an event; of presence there is none, for it is compared as who is here. */
export function saidEvent({ event }: StreamEvent): string {
  switch (event.case) {
    case "messageCreated":
    case "systemMessage":
      return saidMessage(event.value.message);
    case "friendChanged":
      return friendLine(event.value.userId, event.value.change);
    case "groupChanged":
      return placeChangeLine(
        "group",
        event.value.groupId,
        event.value.change,
        event.value.actorUserId,
        saidGroup(event.value.group),
      );
    case "roomChanged":
      return placeChangeLine(
        "room",
        event.value.roomId,
        event.value.change,
        event.value.actorUserId,
        saidRoom(event.value.room),
      );
    case "groupMemberChanged": {
      const { groupId, change, actorUserId, userIds, memberCount, member } = event.value;
      return membersChangeLine("group", groupId, change, actorUserId, userIds, memberCount, saidMember(member));
    }
    case "roomMemberChanged": {
      const { roomId, change, actorUserId, userIds, memberCount } = event.value;
      return membersChangeLine("room", roomId, change, actorUserId, userIds, memberCount, "");
    }
    case "typingChanged":
      return typingLine(peerWord(event.value.peer), event.value.userId, event.value.typing);
    case "readMarkerChanged":
      return readLine(event.value.conversationId, event.value.userId, event.value.readSeq);
    case "sessionRevoked":
      return revokedLine(event.value.sessionId, event.value.reason);
    case "userChanged":
      return profileLine(event.value.user?.userId ?? "", event.value.user?.displayName ?? "");
    default:
      return String(event.case);
  }
}

export const friendLine = (user: string, change: ChangeKind): string => `friend|${user}|${ChangeKind[change]}`;
export const readLine = (conversation: string, user: string, seq: number): string =>
  `read|${conversation}|${user}|${seq}`;
export const typingLine = (peer: string, user: string, typing: boolean): string => `typing|${peer}|${user}|${typing}`;
export const profileLine = (user: string, name: string): string => `profile|${user}|${name}`;
export const revokedLine = (session: string, reason: SessionRevokedReason): string =>
  `revoked|${session}|${SessionRevokedReason[reason]}`;
export const placeChangeLine = (kind: string, id: string, change: ChangeKind, actor: string, place: string): string =>
  `${kind}|${id}|${ChangeKind[change]}|by ${actor}|${place}`;
export const membersChangeLine = (
  kind: string,
  id: string,
  change: ChangeKind,
  actor: string,
  users: readonly string[],
  count: number,
  member: string,
): string => `${kind} members|${id}|${ChangeKind[change]}|by ${actor}|${users.join(",")}|${count}|${member}`;

export { ChangeKind, GroupRole, JoinPolicy, SessionRevokedReason };
