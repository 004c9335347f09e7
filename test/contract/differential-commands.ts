import type { JsonObject } from "@bufbuild/protobuf";
import { fromJson } from "@bufbuild/protobuf";
import { ValueSchema } from "@bufbuild/protobuf/wkt";
import { View } from "@parley/proto/parley/v1/user_pb.js";
import { type Address, backend, type Rpc } from "../support/index.js";
import { must, text, toEveryone, toGroup, toRoom, toSystem, toUser } from "../support/messaging.js";

/** A server, and the ids that it gave in the order in which it gave them: another server gives others for the same commands. */
export interface Side {
  server: Address;
  groups: string[];
  rooms: string[];
  messages: string[];
  /** Where each user's log began. */
  cursors: string[];
}

/** Numbers that a command makes its choices by. */
export type Choices = readonly [number, number, number, number];

export const USERS = ["ann", "bob", "Cleo", "dan-1", "dan_2"];
const WORDS = ["Tom", "tom", "ＴＯＭ", "50%", "a_b", "Straße", "𝒳 beyond", "\u{ff5e}", "é", "", "x'y", "日本", "!%"];
const PATHS = ["display_name", "create_time", "level", "city", "tags", "address.city"];

const pick = <T>(from: readonly T[], at: number): T => must(from[at % from.length]);
const some = <T>(from: readonly T[], bits: number): T[] => from.filter((_, at) => ((bits >> at) & 1) === 1);
const groupAt = ({ groups }: Side, at: number) => (groups.length === 0 ? "none" : pick(groups.slice(-3), at));
const roomAt = ({ rooms }: Side, at: number) => (rooms.length === 0 ? "none" : pick(rooms.slice(-2), at));
const as = ({ server }: Side, at: number): Rpc => backend(server).as(pick(USERS, at));
const peerAt = (side: Side, a: number, b: number) =>
  a % 3 === 0 ? toUser(pick(USERS, b)) : a % 3 === 1 ? toGroup(groupAt(side, b)) : toSystem;
const receiverAt = (side: Side, a: number, b: number) =>
  a % 5 === 4 ? toRoom(roomAt(side, b)) : a % 2 === 0 ? toUser(pick(USERS, b)) : toGroup(groupAt(side, b));

function attributesAt(a: number, b: number): JsonObject {
  const value = pick<JsonObject[string]>([pick(WORDS, b), a - 3, a / 7, true, null, -1e300], a);
  return pick<JsonObject>(
    [
      { level: value },
      { city: pick(WORDS, b) },
      { tags: [pick(WORDS, a), value] },
      { address: { city: pick(WORDS, b) } },
    ],
    b,
  );
}

function searchAt([a, b, c, d]: Choices) {
  const path = pick(PATHS, b);
  const equals = fromJson(ValueSchema, pick<JsonObject[string]>([pick(WORDS, d), d - 3, true, null], c));
  const contains = pick(WORDS, d) || "o";
  const condition = { case: "contains" as const, value: contains };
  const filter = { path, condition: a % 2 === 0 ? { case: "equals" as const, value: equals } : condition };
  const sort = [...new Set([pick(PATHS, c), pick(PATHS, d)])].map((name, at) => (at === a % 2 ? name : `-${name}`));
  return { filters: a % 3 === 0 ? [] : [filter], sort: d % 2 === 0 ? sort : [], pageSize: 3 };
}

type Command = (side: Side, choices: Choices) => Promise<unknown>;

/** What can be done to a server, by name; each gives what the server said. */
export const COMMANDS: Readonly<Record<string, Command>> = {
  async send(side, [a, b, c, d]) {
    const clientMessageId = d % 4 === 0 ? `key-${d % 7}` : "";
    const request = { receiver: receiverAt(side, b, c), content: text(`words ${a}`), clientMessageId };
    return keep(side, await as(side, a).message.sendMessage(request));
  },
  async sendMany(side, [a, b, c, d]) {
    const requests = [b, c, d].map((n) => ({ receiver: receiverAt(side, n, c), content: text(`many ${n}`) }));
    return await as(side, a).message.sendMessages({ requests });
  },
  tellAll: ({ server }, [a]) =>
    backend(server).admin.sendSystemMessage({
      receiver: a % 2 === 0 ? toEveryone : toUser(pick(USERS, a)),
      content: text(`system ${a}`),
    }),
  markRead: (side, [a, b, c, d]) =>
    as(side, a).conversation.markRead({ peer: peerAt(side, b, c), ...(d % 2 === 0 && { readSeq: d % 9 }) }),
  deleteConversation: (side, [a, b, c, d]) =>
    as(side, a).conversation.deleteConversation({ peer: peerAt(side, b, c), hideHistory: d % 2 === 0 }),
  hide: (side, [a, b, c]) => as(side, a).history.hideHistory({ peer: peerAt(side, b, c) }),
  clear: (side, [a, b]) => as(side, a).history.clearHistory({ peer: toGroup(groupAt(side, b)) }),
  async createGroup(side, [a, b, c, d]) {
    const request = {
      name: pick(WORDS, c),
      memberUserIds: some(USERS, b),
      attributes: attributesAt(c, d),
      joinPolicy: d % 3,
      historyForNewMembers: d % 2 === 0,
    };
    const answer = await as(side, a).group.createGroup(request);
    side.groups.push(must(answer.group).groupId);
    return answer;
  },
  updateGroup: (side, [a, b, c]) =>
    as(side, a).group.updateGroup({
      groupId: groupAt(side, b),
      name: pick(WORDS, c),
      historyForNewMembers: c % 2 === 0,
    }),
  deleteGroup: (side, [a, b, c]) =>
    c % 4 === 0 ? as(side, a).group.deleteGroup({ groupId: groupAt(side, b) }) : Promise.resolve("not this time"),
  addMembers: (side, [a, b, c]) =>
    as(side, a).group.addGroupMembers({ groupId: groupAt(side, b), userIds: some(USERS, c | 1) }),
  removeMembers: (side, [a, b, c]) =>
    as(side, a).group.removeGroupMembers({ groupId: groupAt(side, b), userIds: some(USERS, c | 2) }),
  replaceMembers: (side, [a, b, c]) =>
    as(side, a).group.replaceGroupMembers({ groupId: groupAt(side, b), userIds: some(USERS, c | 4) }),
  join: (side, [a, b]) => as(side, a).group.joinGroup({ groupId: groupAt(side, b) }),
  leave: (side, [a, b]) => as(side, a).group.leaveGroup({ groupId: groupAt(side, b) }),
  transfer: (side, [a, b, c]) => as(side, a).group.transferGroup({ groupId: groupAt(side, b), userId: pick(USERS, c) }),
  changeMember: (side, [a, b, c, d]) =>
    as(side, a).group.updateGroupMember({
      groupId: groupAt(side, b),
      userId: pick(USERS, c),
      alias: pick(WORDS, d),
      ...(d % 3 === 0 && { role: (d % 2) + 1 }),
    }),
  async createRoom(side, [a, b, c]) {
    const answer = await as(side, a).room.createRoom({ name: pick(WORDS, c), memberUserIds: some(USERS, b) });
    side.rooms.push(must(answer.room).roomId);
    return answer;
  },
  joinRoom: (side, [a, b]) => as(side, a).room.joinRoom({ roomId: roomAt(side, b) }),
  leaveRoom: (side, [a, b]) => as(side, a).room.leaveRoom({ roomId: roomAt(side, b) }),
  befriend: (side, [a, b]) => as(side, a).friend.addFriend({ userId: pick(USERS, b) }),
  befriendMany: (side, [a, b]) => as(side, a).friend.batchAddFriends({ userIds: some(USERS, b | 1) }),
  unfriend: (side, [a, b]) => as(side, a).friend.removeFriend({ userId: pick(USERS, b) }),
  rename: (side, [a, b]) => as(side, a).user.updateUser({ displayName: pick(WORDS, b) }),
  setAttributes: (side, [a, b, c, d]) =>
    d % 2 === 0
      ? as(side, a).user.updateAttributes({ attributes: attributesAt(b, c) })
      : as(side, a).user.replaceAttributes({ attributes: attributesAt(b, c) }),
  setPresence: (side, [a, b]) => as(side, a).user.updatePresenceSettings({ invisible: b % 2 === 0 }),
  async deleteUser({ server }, [a, b]) {
    if (b % 3 !== 0) return "not this time";
    const userId = pick(USERS, a);
    const answer = await backend(server).admin.deleteUser({ userId });
    await backend(server).admin.batchUpsertUsers({ users: [{ userId, displayName: "again" }] });
    return answer;
  },
  filterWords: ({ server }, [a, b]) =>
    backend(server).admin.setWordFilter({
      enabled: true,
      action: (a % 2) + 1,
      words: some(["words 1", "many", "𝒳", "tom"], b),
    }),
  conversations: (side, [a]) => as(side, a).conversation.listConversations({ pageSize: 50 }),
  conversation: (side, [a, b, c]) => as(side, a).conversation.getConversation({ peer: peerAt(side, b, c) }),
  history: (side, [a, b, c, d]) =>
    as(side, a).history.listMessages({
      peer: peerAt(side, b, c),
      pageSize: 4,
      ...(d % 3 > 0 && { position: { case: d % 3 === 1 ? "afterSeq" : "beforeSeq", value: d % 8 } }),
    }),
  historyBefore: (side, [a, b, c, d]) =>
    as(side, a).history.listMessages({
      peer: peerAt(side, b, c),
      pageSize: 4,
      position: { case: "beforeTime", value: { seconds: BigInt(START_S + d), nanos: 0 } },
    }),
  message: (side, [a, b]) =>
    as(side, a).history.getMessage({ messageId: side.messages.length === 0 ? "none" : pick(side.messages, b) }),
  friends: (side, [a]) => as(side, a).friend.listFriends({ view: View.FULL, pageSize: 50 }),
  strangers: (side, [a]) => as(side, a).friend.listStrangers({ pageSize: 50 }),
  groups: (side, [a]) => as(side, a).group.listGroups({ view: View.FULL, pageSize: 50 }),
  group: (side, [a, b]) => as(side, a).group.getGroup({ groupId: groupAt(side, b) }),
  members: (side, [a, b]) => as(side, a).group.listGroupMembers({ groupId: groupAt(side, b), pageSize: 2 }),
  rooms: (side, [a]) => as(side, a).room.listRooms({ view: View.FULL, pageSize: 50 }),
  searchUsers: (side, choices) => as(side, choices[0]).user.searchUsers(searchAt(choices)),
  searchGroups: (side, choices) => as(side, choices[0]).group.searchGroups(searchAt(choices)),
  words: ({ server }) => backend(server).admin.listFilterWords({ pageSize: 2 }),
  userDetail: ({ server }, [a]) => backend(server).admin.getUserDetail({ userId: pick(USERS, a) }),
  events: (side, [a]) => as(side, a).message.listEvents({ pageSize: 100 }),
};

/** When both servers begin, in seconds. */
export const START_S = Date.UTC(2030, 0, 1) / 1000;

function keep<T extends { message?: { messageId: string } | undefined }>(side: Side, answer: T): T {
  if (answer.message !== undefined) side.messages.push(answer.message.messageId);
  return answer;
}
