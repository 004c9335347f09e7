import {
  ChangeKind,
  type Group,
  type GroupChanged,
  type GroupMemberChanged,
  group,
  type Peer,
  type Room,
  type RoomChanged,
  type RoomMemberChanged,
  room,
} from "@parley/client";
import { type Chat, inBackground, threadOf } from "./chat.js";
import { changeText, membersText } from "./notice-text.js";
import type { Thread } from "./thread.js";
import { timeMs } from "./time.js";

/** Where a notice comes from: the place of its event, and its time. */
export interface Source {
  readonly id: string;
  readonly time: Parameters<typeof timeMs>[0];
}

/** Keeps a group or room of the user, with a thread to talk in. */
export function putCircle(chat: Chat, circle: Group | Room): Thread {
  const isGroup = circle.$typeName === "parley.v1.Group";
  if (isGroup) chat.groups.set(circle.groupId, circle);
  else chat.rooms.set(circle.roomId, circle);
  const thread = threadOf(chat, isGroup ? group(circle.groupId) : room(circle.roomId));
  thread.activeMs ||= timeMs(circle.createTime);
  return thread;
}

/** The user is no member any more, or there is nothing left to be a member of. */
export function dropCircle(chat: Chat, { peer }: Peer): void {
  if (peer.case === "groupId") chat.groups.delete(peer.value);
  if (peer.case === "roomId") chat.rooms.delete(peer.value);
}

function addNotice(chat: Chat, peer: Peer, { id, time }: Source, text: string): void {
  const thread = threadOf(chat, peer);
  if (thread.notices.some((known) => known.id === id)) return;
  thread.notices.push({ id, timeMs: timeMs(time), text });
  thread.activeMs = Math.max(thread.activeMs, timeMs(time));
  chat.changed();
}

/** The event of an update does not name the members. */
function withMembers<T extends Group | Room>(now: T, before: Group | Room | undefined): T {
  return now.memberUserIds.length > 0 ? now : { ...now, memberUserIds: before?.memberUserIds ?? [] };
}

export function takeGroup(chat: Chat, change: GroupChanged, source: Source): void {
  const peer = group(change.groupId);
  if (change.group) putCircle(chat, withMembers(change.group, chat.groups.get(change.groupId)));
  else dropCircle(chat, peer);
  addNotice(chat, peer, source, changeText(chat, change, "group"));
}

export function takeRoom(chat: Chat, change: RoomChanged, source: Source): void {
  const peer = room(change.roomId);
  if (change.room) putCircle(chat, withMembers(change.room, chat.rooms.get(change.roomId)));
  else dropCircle(chat, peer);
  addNotice(chat, peer, source, changeText(chat, change, "room"));
}

export function takeGroupMembers(chat: Chat, change: GroupMemberChanged, source: Source): void {
  if (change.change === ChangeKind.UPDATED) return;
  takeMembers(chat, group(change.groupId), change, source, () => chat.client.groups.get(change.groupId));
}

export function takeRoomMembers(chat: Chat, change: RoomMemberChanged, source: Source): void {
  takeMembers(chat, room(change.roomId), change, source, () => chat.client.rooms.get(change.roomId));
}

/** While events are replayed nothing is asked for: all lists are loaded afterwards. */
function takeMembers(
  chat: Chat,
  peer: Peer,
  change: GroupMemberChanged | RoomMemberChanged,
  source: Source,
  get: () => Promise<Group | Room>,
): void {
  const gone = change.change === ChangeKind.REMOVED && change.userIds.includes(chat.me);
  if (gone) dropCircle(chat, peer);
  else if (chat.state.name === "live")
    inBackground(
      chat,
      get().then((circle) => putCircle(chat, circle)),
    );
  addNotice(chat, peer, source, membersText(chat, change));
}
