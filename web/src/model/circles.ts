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
import type { Thread } from "./thread.js";
import { timeMs } from "./time.js";

/** Where a notice comes from: the place of its event, and its time. */
interface Source {
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

function notice(chat: Chat, peer: Peer, { id, time }: Source, text: string): void {
  const thread = threadOf(chat, peer);
  if (thread.notices.some((known) => known.id === id)) return;
  thread.notices.push({ id, timeMs: timeMs(time), text });
  thread.activeMs = Math.max(thread.activeMs, timeMs(time));
  chat.changed();
}

const who = (chat: Chat, userId: string) => (userId === chat.me ? "You" : chat.names.of(userId));

/** Such as "You added Jerry", "Jerry joined", "Tom left". */
function membersText(chat: Chat, change: GroupMemberChanged | RoomMemberChanged): string {
  const { userIds, actorUserId } = change;
  const added = change.change === ChangeKind.ADDED;
  const names = userIds.map((userId) => who(chat, userId)).join(", ");
  if (actorUserId === "") return `${names} ${userIds.length === 1 && names !== "You" ? "was" : "were"} ${added ? "added" : "removed"}`;
  if (userIds.length === 1 && userIds[0] === actorUserId) return `${names} ${added ? "joined" : "left"}`;
  return `${who(chat, actorUserId)} ${added ? "added" : "removed"} ${names.replace(/^You$/, "you")}`;
}

export function takeGroup(chat: Chat, { groupId, change, group: now, actorUserId }: GroupChanged, source: Source): void {
  const peer = group(groupId);
  if (now) putCircle(chat, { ...(chat.groups.get(groupId) ?? now), ...now, ...keptMembers(chat.groups.get(groupId), now) });
  else dropCircle(chat, peer);
  const verb = { [ChangeKind.ADDED]: "made the group", [ChangeKind.REMOVED]: "dissolved the group" }[change as 1];
  notice(chat, peer, source, `${actor(chat, actorUserId)} ${verb ?? "changed the group"}`);
}

export function takeRoom(chat: Chat, { roomId, change, room: now, actorUserId }: RoomChanged, source: Source): void {
  const peer = room(roomId);
  if (now) putCircle(chat, { ...now, ...keptMembers(chat.rooms.get(roomId), now) });
  else dropCircle(chat, peer);
  const verb = { [ChangeKind.ADDED]: "made the room", [ChangeKind.REMOVED]: "deleted the room" }[change as 1];
  notice(chat, peer, source, `${actor(chat, actorUserId)} ${verb ?? "changed the room"}`);
}

const actor = (chat: Chat, userId: string) => (userId === "" ? "The app" : who(chat, userId));

/** An update does not name the members. */
function keptMembers(before: Group | Room | undefined, now: Group | Room) {
  return { memberUserIds: now.memberUserIds.length > 0 ? now.memberUserIds : (before?.memberUserIds ?? []) };
}

export function takeGroupMembers(chat: Chat, change: GroupMemberChanged, source: Source): void {
  if (change.change === ChangeKind.UPDATED) return;
  const peer = group(change.groupId);
  const gone = change.change === ChangeKind.REMOVED && change.userIds.includes(chat.me);
  if (gone) dropCircle(chat, peer);
  else refresh(chat, () => chat.client.groups.get(change.groupId));
  notice(chat, peer, source, membersText(chat, change));
}

export function takeRoomMembers(chat: Chat, change: RoomMemberChanged, source: Source): void {
  const peer = room(change.roomId);
  const gone = change.change === ChangeKind.REMOVED && change.userIds.includes(chat.me);
  if (gone) dropCircle(chat, peer);
  else refresh(chat, () => chat.client.rooms.get(change.roomId));
  notice(chat, peer, source, membersText(chat, change));
}

/** While events are replayed nothing is asked for: all lists are loaded afterwards. */
function refresh(chat: Chat, get: () => Promise<Group | Room>): void {
  if (chat.state.name === "live") inBackground(chat, get().then((circle) => putCircle(chat, circle)));
}
