import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { newDevice, newGroup, newRoom, say, subject, text, toGroup, toUser } from "../support/messaging.js";
import { befriend, caseList, repeated } from "./mutations-case.js";

const { cases, mutation, silent } = caseList();

/** The administration of users, and history that is cleared, hidden or brought in. */
export const USERS = cases;

// Users

mutation(
  "AdminService.DeleteUser",
  "with friends, places and words, some of them unread",
  13,
  async ({ backend, tom, jerry, spike }) => {
    await befriend(tom, spike);
    const group = await newGroup(spike, [tom, jerry]);
    await newGroup(jerry, [tom, spike]);
    await newRoom(spike, [jerry]);
    await say(spike, toUser(tom.userId), "gone soon");
    await say(tom, toUser(spike.userId), "stays");
    await say(spike, toGroup(group), "gone too");
    await say(spike, toGroup(group), "and this", { remark: "r", mentions: { userIds: [tom.userId] } });
    return () => backend.admin.deleteUser({ userId: spike.userId });
  },
  2,
);
mutation(
  "AdminService.DeleteUser",
  "of a stranger",
  2,
  async ({ backend, spike }) =>
    () =>
      backend.admin.deleteUser({ userId: spike.userId }),
  2,
);
silent("AdminService.DisconnectUser", async ({ server, backend, jerry }) => {
  await newDevice(server, jerry);
  return () => backend.admin.disconnectUser({ userId: jerry.userId, revokeSessions: true });
});
mutation("AdminService.ImportUsers", "with a friend who is there", 2, async ({ backend, tom, jerry }) => {
  const users = [{ userId: tom.userId, displayName: "Tom", friendUserIds: [jerry.userId] }];
  await backend.admin.batchUpsertUsers({ users: [{ userId: tom.userId, displayName: "Tom" }] });
  return () => backend.admin.importUsers({ users });
});
mutation("AdminService.ImportUsers", "to what they are", 0, async ({ backend, tom, jerry }) => {
  const users = [{ userId: tom.userId, displayName: "Tom", friendUserIds: [jerry.userId] }];
  return repeated(() => backend.admin.importUsers({ users }));
});

// History

const old = (senderUserId: string, words: string) => ({
  senderUserId,
  content: text(words),
  createTime: timestampFromMs(Date.now() - 3_600_000),
  clientMessageId: subject("k"),
});
const pair = (firstUserId: string, secondUserId: string) => ({
  case: "users" as const,
  value: { firstUserId, secondUserId },
});

mutation("AdminService.ImportMessages", "of two who never talked", 2, async ({ backend, tom, jerry }) => {
  const messages = [old(tom.userId, "one"), old(jerry.userId, "two")];
  return () => backend.admin.importMessages({ conversation: pair(tom.userId, jerry.userId), messages });
});
mutation("AdminService.ImportMessages", "of a group, behind what was said", 2, async ({ backend, tom, jerry }) => {
  const group = await newGroup(tom, [jerry]);
  await say(jerry, toGroup(group), "unread");
  const conversation = { case: "groupId" as const, value: group };
  const messages = [old(tom.userId, "one"), old(jerry.userId, "two")];
  return () => backend.admin.importMessages({ conversation, messages, allowAfter: true });
});
mutation("AdminService.ImportMessages", "a second time", 0, async ({ backend, tom, jerry }) => {
  const messages = [old(tom.userId, "one")];
  return repeated(() => backend.admin.importMessages({ conversation: pair(tom.userId, jerry.userId), messages }));
});
mutation("HistoryService.ClearHistory", "of a group, with words unread", 2, async ({ tom, jerry }) => {
  const group = await newGroup(tom, [jerry]);
  for (const words of ["one", "two"]) await say(tom, toGroup(group), words);
  return () => tom.rpc.history.clearHistory({ peer: toGroup(group) });
});
mutation("HistoryService.ClearHistory", "and then words", 4, async ({ tom, jerry }) => {
  const group = await newGroup(tom, [jerry]);
  await say(tom, toGroup(group), "before");
  return async () => {
    await tom.rpc.history.clearHistory({ peer: toGroup(group) });
    await say(jerry, toGroup(group), "after");
  };
});
mutation("HistoryService.ClearHistory", "of nothing", 0, async ({ tom, jerry }) => {
  const group = await newGroup(tom, [jerry]);
  return () => tom.rpc.history.clearHistory({ peer: toGroup(group) });
});
mutation("HistoryService.HideHistory", "of a part, with words unread", 1, async ({ tom, jerry }) => {
  for (const words of ["one", "two", "three"]) await say(jerry, toUser(tom.userId), words);
  return () => tom.rpc.history.hideHistory({ peer: toUser(jerry.userId), upToSeq: 2 });
});
mutation("HistoryService.HideHistory", "a second time", 0, async ({ tom, jerry }) => {
  await say(jerry, toUser(tom.userId), "one");
  return repeated(() => tom.rpc.history.hideHistory({ peer: toUser(jerry.userId) }));
});
mutation("ConversationService.DeleteConversation", "with words unread", 1, async ({ tom, jerry }) => {
  await say(jerry, toUser(tom.userId), "unread");
  return () => tom.rpc.conversation.deleteConversation({ peer: toUser(jerry.userId) });
});
mutation("ConversationService.DeleteConversation", "its history too, and then words", 4, async ({ tom, jerry }) => {
  await say(jerry, toUser(tom.userId), "unread");
  return async () => {
    await tom.rpc.conversation.deleteConversation({ peer: toUser(jerry.userId), hideHistory: true });
    await say(jerry, toUser(tom.userId), "again");
  };
});
mutation("ConversationService.DeleteConversation", "a second time", 0, async ({ tom, jerry }) => {
  await say(jerry, toUser(tom.userId), "unread");
  return repeated(() => tom.rpc.conversation.deleteConversation({ peer: toUser(jerry.userId) }));
});
