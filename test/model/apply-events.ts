import { toJson } from "@bufbuild/protobuf";
import type { ChatMessage } from "@parley/proto/parley/v1/chat_message_pb.js";
import { GroupMemberSchema, GroupSchema } from "@parley/proto/parley/v1/group_pb.js";
import { RoomMemberSchema, RoomSchema } from "@parley/proto/parley/v1/room_pb.js";
import { ChangeKind, type StreamEvent } from "@parley/proto/parley/v1/stream_event_pb.js";
import { UserSchema } from "@parley/proto/parley/v1/user_pb.js";
import { toGroup, toSystem, toUser } from "../support/messaging.js";
import {
  type ClientState,
  type Json,
  messageJson,
  type Place,
  peerKey,
  type Talk,
  timeOf,
} from "./apply-events-state.js";

/**
 * What the events tell of and do not carry, so that an application asks for it: a group or room it has come into, the profile of a new friend,
 * the talk of a group whose history was opened to it.
 */
export interface ToFetch {
  groups: Set<string>;
  rooms: Set<string>;
  users: Set<string>;
  /** By the key of the peer. */
  talks: Set<string>;
}

/** Applies events to a state as an application does that has read the comments of the contract and nothing else. */
export function applyEvents(
  before: ClientState,
  userId: string,
  events: readonly StreamEvent[],
): { state: ClientState; toFetch: ToFetch } {
  const state = structuredClone(before);
  const toFetch: ToFetch = { groups: new Set(), rooms: new Set(), users: new Set(), talks: new Set() };
  for (const event of events) applyEvent(state, userId, event, toFetch);
  state.unreadTotal = Object.values(state.talks).reduce((sum, talk) => sum + talk.unreadCount, 0);
  return { state, toFetch };
}

function applyEvent(state: ClientState, me: string, { event, createTime }: StreamEvent, toFetch: ToFetch): void {
  switch (event.case) {
    case "messageCreated":
    case "systemMessage":
      takeMessage(state, me, event.value.message as ChatMessage, toFetch);
      return;
    case "readMarkerChanged":
      takeMarker(state, me, event.value);
      return;
    case "userChanged":
      if (event.value.change === ChangeKind.REMOVED) {
        takeDeletion(state, me, event.value.user?.userId ?? "", timeOf(createTime));
        return;
      }
      state.users[event.value.user?.userId ?? ""] = toJson(UserSchema, event.value.user as never) as Json;
      return;
    case "friendChanged":
      if (event.value.change === ChangeKind.ADDED) {
        state.friends[event.value.userId] = timeOf(createTime);
        toFetch.users.add(event.value.userId);
      } else {
        delete state.friends[event.value.userId];
        delete state.users[event.value.userId];
        toFetch.users.delete(event.value.userId);
      }
      return;
    case "groupChanged":
      takeGroup(state, me, event.value, toFetch, timeOf(createTime));
      return;
    case "roomChanged":
      takeRoom(state, me, event.value, toFetch, timeOf(createTime));
      return;
    case "groupMemberChanged":
      takeGroupMembers(state, me, event.value, toFetch, timeOf(createTime));
      return;
    case "roomMemberChanged":
      takeRoomMembers(state, me, event.value, toFetch, timeOf(createTime));
      return;
    case "historyCleared":
      takeClearing(state, me, event.value);
      return;
    case "conversationChanged":
      delete state.talks[peerKey(event.value.peer)];
      if (event.value.change === ChangeKind.UPDATED) toFetch.talks.add(peerKey(event.value.peer));
      return;
    default:
      throw new Error(`the contract says nothing of what ${event.case} does to a state`);
  }
}

/** The conversation a message stands in as I address it; undefined for what stands in none. */
function peerOf(me: string, { sender, receiver, seq }: ChatMessage): string | undefined {
  if (seq === 0) return undefined;
  if (receiver?.peer.case === "groupId") return JSON.stringify(jsonPeer(toGroup(receiver.peer.value)));
  if (receiver?.peer.case !== "userId") return undefined;
  if (sender?.sender.case === "system") return JSON.stringify(jsonPeer(toSystem));
  const from = sender?.sender.value as string;
  return JSON.stringify(jsonPeer(toUser(from === me ? receiver.peer.value : from)));
}

const jsonPeer = ({ peer }: { peer: { case: string; value: unknown } }) => ({ [peer.case]: peer.value });

function takeMessage(state: ClientState, me: string, message: ChatMessage, toFetch: ToFetch): void {
  const peer = peerOf(me, message);
  if (peer === undefined) return;
  const { conversationId, seq } = message;
  // A talk that was off the list comes back with its history.
  if (state.talks[peer] === undefined && seq > 1) toFetch.talks.add(peer);
  state.talks[peer] ??= { conversationId, headSeq: 0, readSeq: 0, unreadCount: 0, messages: [] };
  const talk = state.talks[peer];
  if (talk.messages.some((known) => known.seq === seq)) throw new Error(`message ${seq} came twice`);
  talk.messages.push(messageJson(message));
  talk.headSeq = seq;
  countUnread(talk, me);
}

/** Stored, counting, not recalled, not my own, above the marker. */
function countUnread(talk: Talk, me: string): void {
  talk.unreadCount = talk.messages.filter(({ seq = 0, sender, content, state }) => {
    const mine = (sender as Json).userId === me;
    const counts =
      content !== undefined && (content as Json).notice === undefined && state !== "MESSAGE_STATE_RECALLED";
    return (seq as number) > talk.readSeq && !mine && counts;
  }).length;
}

function takeMarker(
  state: ClientState,
  me: string,
  marker: { conversationId: string; userId: string; readSeq: number },
): void {
  if (marker.userId !== me) return;
  const talk = Object.values(state.talks).find(({ conversationId }) => conversationId === marker.conversationId);
  // The log does not tell again what was said in a group that was dissolved since; the markers are still there.
  if (talk === undefined) return;
  talk.readSeq = marker.readSeq;
  countUnread(talk, me);
}

/** What a deleted user has said reads otherwise from now on. */
function takeDeletion(state: ClientState, me: string, userId: string, updateTime: string): void {
  delete state.users[userId];
  for (const talk of Object.values(state.talks)) {
    talk.messages = talk.messages.map((message) => {
      if ((message.sender as Json).userId !== userId || message.state === "MESSAGE_STATE_DELETED") return message;
      const { content: _, remark: __, attributes: ___, mentions: ____, replyToMessageId: _____, ...rest } = message;
      const revision = ((message.revision as number | undefined) ?? 0) + 1;
      return { ...rest, state: "MESSAGE_STATE_DELETED", updateTime, revision };
    });
    countUnread(talk, me);
  }
}

/** Nothing up to a seq can be read any more. */
function takeClearing(state: ClientState, me: string, { peer, upToSeq }: Clearing): void {
  const talk = state.talks[peerKey(peer)];
  if (talk === undefined) return;
  talk.messages = talk.messages.filter(({ seq }) => (seq as number) > upToSeq);
  countUnread(talk, me);
}

type Clearing = Extract<StreamEvent["event"], { case: "historyCleared" }>["value"];
type GroupChange = Extract<StreamEvent["event"], { case: "groupChanged" }>["value"];
type RoomChange = Extract<StreamEvent["event"], { case: "roomChanged" }>["value"];
type GroupMemberChange = Extract<StreamEvent["event"], { case: "groupMemberChanged" }>["value"];
type RoomMemberChange = Extract<StreamEvent["event"], { case: "roomMemberChanged" }>["value"];

const groupTalk = (groupId: string) => JSON.stringify({ groupId });

function takeGroup(
  state: ClientState,
  _me: string,
  { groupId, change, group }: GroupChange,
  toFetch: ToFetch,
  time: string,
) {
  if (change === ChangeKind.REMOVED) {
    delete state.groups[groupId];
    delete state.talks[groupTalk(groupId)];
    return;
  }
  const place = toJson(GroupSchema, group as never) as Json;
  const known = state.groups[groupId];
  if (change === ChangeKind.ADDED || known === undefined) {
    const ids = place.memberUserIds as string[];
    const members = ids.map((userId) => newMember(userId, time, userId === place.ownerUserId ? "OWNER" : "MEMBER"));
    state.groups[groupId] = { place, members };
    return;
  }
  if (known.place.historyForNewMembers !== place.historyForNewMembers) toFetch.talks.add(groupTalk(groupId));
  known.place = { ...place, memberUserIds: known.place.memberUserIds };
}

const newMember = (userId: string, joinTime: string, role: string): Json => ({
  userId,
  role: `GROUP_ROLE_${role}`,
  attributes: {},
  joinTime,
});

function takeRoom(
  state: ClientState,
  _me: string,
  { roomId, change, room }: RoomChange,
  _toFetch: ToFetch,
  time: string,
) {
  if (change === ChangeKind.REMOVED) {
    delete state.rooms[roomId];
    return;
  }
  const place = toJson(RoomSchema, room as never) as Json;
  const known = state.rooms[roomId];
  if (change === ChangeKind.ADDED || known === undefined)
    state.rooms[roomId] = {
      place,
      members: (place.memberUserIds as string[]).map((userId) => ({ userId, joinTime: time, attributes: {} })),
    };
  else known.place = { ...place, memberUserIds: known.place.memberUserIds };
}

function takeGroupMembers(state: ClientState, me: string, event: GroupMemberChange, toFetch: ToFetch, time: string) {
  const { groupId, change, userIds, member } = event;
  if (change === ChangeKind.UPDATED) {
    const changed = toJson(GroupMemberSchema, member as never) as Json;
    const { members } = state.groups[groupId] as Place;
    members[members.findIndex(({ userId }) => userId === changed.userId)] = changed;
    return;
  }
  if (userIds.includes(me)) {
    // The talk of a group goes with the membership, and may come back otherwise.
    delete state.groups[groupId];
    delete state.talks[groupTalk(groupId)];
    for (const [set, key] of [
      [toFetch.groups, groupId],
      [toFetch.talks, groupTalk(groupId)],
    ] as const)
      if (change === ChangeKind.ADDED) set.add(key);
      else set.delete(key);
    return;
  }
  // Of a group that is to be fetched nothing is known yet.
  if (state.groups[groupId] !== undefined)
    changeMembers(state.groups[groupId], event, (userId) => newMember(userId, time, "MEMBER"));
}

function takeRoomMembers(state: ClientState, me: string, event: RoomMemberChange, toFetch: ToFetch, joinTime: string) {
  const { roomId, change, userIds, member } = event;
  if (change === ChangeKind.UPDATED) {
    const changed = toJson(RoomMemberSchema, member as never) as Json;
    const { members } = state.rooms[roomId] as Place;
    members[members.findIndex(({ userId }) => userId === changed.userId)] = changed;
    return;
  }
  if (userIds.includes(me)) {
    delete state.rooms[roomId];
    if (change === ChangeKind.ADDED) toFetch.rooms.add(roomId);
    else toFetch.rooms.delete(roomId);
    return;
  }
  if (state.rooms[roomId] !== undefined)
    changeMembers(state.rooms[roomId], event, (userId) => ({ userId, joinTime, attributes: {} }));
}

function changeMembers(
  known: Place,
  { change, userIds, memberCount }: GroupMemberChange | RoomMemberChange,
  made: (userId: string) => Json,
): void {
  const others = known.members.filter(({ userId }) => !userIds.includes(userId as string));
  known.members = change === ChangeKind.ADDED ? [...others, ...userIds.map(made)] : others;
  known.place = { ...known.place, memberUserIds: known.members.map(({ userId }) => userId), memberCount };
}
