import { newGroup, newRoom, say, send, subject, text, toGroup, toRoom, toUser } from "../support/messaging.js";
import { befriend, caseList, data, repeated } from "./mutations-case.js";

const { cases, mutation } = caseList();

/** What is said and read, friends and profiles. */
export const MESSAGES = cases;

// Messages

mutation(
  "MessageService.SendMessage",
  "the first one to a user",
  2,
  async ({ tom, jerry }) =>
    () =>
      send(tom, toUser(jerry.userId), "hello"),
);
mutation("MessageService.SendMessage", "an answer with everything on it", 2, async ({ tom, jerry }) => {
  const first = await say(tom, toUser(jerry.userId), "hello");
  return () =>
    send(jerry, toUser(tom.userId), "hello yourself", {
      replyToMessageId: first.messageId,
      remark: "remark",
      attributes: data("x"),
      mentions: { userIds: [tom.userId], everyone: true },
      push: { title: "push" },
    });
});
mutation(
  "MessageService.SendMessage",
  "to oneself",
  1,
  async ({ tom }) =>
    () =>
      send(tom, toUser(tom.userId), "note"),
);
mutation("MessageService.SendMessage", "to a group", 2, async ({ tom, jerry }) => {
  const group = await newGroup(tom, [jerry]);
  return () => send(jerry, toGroup(group), "hello all");
});
mutation("MessageService.SendMessage", "a repeat", 0, ({ tom, jerry }) =>
  repeated(() => send(tom, toUser(jerry.userId), "once", { clientMessageId: "same" })),
);
mutation(
  "MessageService.SendMessage",
  "a transient one",
  0,
  async ({ tom, jerry }) =>
    () =>
      send(tom, toUser(jerry.userId), "fleeting", { transient: true }),
);
mutation("MessageService.SendMessage", "room talk", 0, async ({ tom, jerry }) => {
  const room = await newRoom(tom, [jerry]);
  return () => send(tom, toRoom(room), "in the room");
});
mutation(
  "MessageService.SendMessage",
  "by the backend for a user",
  2,
  async ({ backend, tom, jerry }) =>
    () =>
      backend.as(tom.userId).message.sendMessage({ receiver: toUser(jerry.userId), content: text("for tom") }),
);
mutation("MessageService.SendMessages", "a batch of which a part fails", 7, async ({ tom, jerry }) => {
  const group = await newGroup(tom, [jerry]);
  const one = (receiver: ReturnType<typeof toUser> | ReturnType<typeof toGroup>, words: string) => ({
    receiver,
    content: text(words),
  });
  await tom.rpc.message.sendMessage({ ...one(toUser(jerry.userId), "earlier"), clientMessageId: "same" });
  return () =>
    tom.rpc.message.sendMessages({
      requests: [
        one(toUser(jerry.userId), "one"),
        one(toUser("nobody-of-that-name"), "lost"),
        one(toGroup(group), "two"),
        { ...one(toUser(jerry.userId), "earlier"), clientMessageId: "same" },
        { ...one(toUser(jerry.userId), "other words"), clientMessageId: "same" },
        one(toUser(jerry.userId), "three"),
        one(toUser(tom.userId), "to myself"),
      ],
    });
});
mutation(
  "MessageService.SetTyping",
  "tells nobody for good",
  0,
  async ({ tom, jerry }) =>
    () =>
      tom.rpc.message.setTyping({ peer: toUser(jerry.userId), typing: true }),
);
mutation("MessageService.AckEvents", "tells nobody for good", 0, async ({ tom }) => {
  const { cursor } = await tom.rpc.message.listEvents({});
  return () => tom.rpc.message.ackEvents({ cursor });
});
mutation("MessageService.PauseSession", "tells nobody for good", 0, async ({ tom, jerry }) => {
  await befriend(tom, jerry);
  return () => tom.rpc.message.pauseSession({});
});

// Read markers

mutation("ConversationService.MarkRead", "a part of what came", 2, async ({ tom, jerry }) => {
  for (const words of ["one", "two", "three"]) await say(tom, toUser(jerry.userId), words);
  return () => jerry.rpc.conversation.markRead({ peer: toUser(tom.userId), readSeq: 2 });
});
mutation("ConversationService.MarkRead", "all, beyond the head", 2, async ({ tom, jerry }) => {
  for (const words of ["one", "two"]) await say(tom, toUser(jerry.userId), words);
  await say(jerry, toUser(tom.userId), "three");
  return () => jerry.rpc.conversation.markRead({ peer: toUser(tom.userId), readSeq: 99 });
});
mutation("ConversationService.MarkRead", "of a group, by one member", 1, async ({ tom, jerry, spike }) => {
  const group = await newGroup(tom, [jerry, spike]);
  await say(tom, toGroup(group), "one");
  return () => spike.rpc.conversation.markRead({ peer: toGroup(group) });
});
mutation("ConversationService.MarkRead", "of the system's words", 1, async ({ backend, jerry }) => {
  await backend.admin.sendSystemMessage({ receiver: toUser(jerry.userId), content: text("notice") });
  return () => jerry.rpc.conversation.markRead({ peer: { peer: { case: "system", value: {} } } });
});
mutation(
  "ConversationService.MarkRead",
  "backwards, again, and where nothing was said",
  0,
  async ({ tom, jerry, spike }) => {
    for (const words of ["one", "two"]) await say(tom, toUser(jerry.userId), words);
    await jerry.rpc.conversation.markRead({ peer: toUser(tom.userId), readSeq: 2 });
    return async () => {
      await jerry.rpc.conversation.markRead({ peer: toUser(tom.userId), readSeq: 1 });
      await jerry.rpc.conversation.markRead({ peer: toUser(tom.userId), readSeq: 2 });
      await jerry.rpc.conversation.markRead({ peer: toUser(spike.userId) });
    };
  },
);

// Friends

mutation(
  "FriendService.AddFriend",
  "a stranger",
  2,
  async ({ tom, jerry }) =>
    () =>
      befriend(tom, jerry),
);
mutation("FriendService.AddFriend", "one to whom was spoken before", 2, async ({ tom, jerry }) => {
  await say(tom, toUser(jerry.userId), "hello");
  await jerry.rpc.user.updateUser({ displayName: "Jerry", attributes: data("mouse") });
  return () => befriend(tom, jerry);
});
mutation("FriendService.AddFriend", "a friend", 0, ({ tom, jerry }) => repeated(() => befriend(tom, jerry)));
mutation("FriendService.RemoveFriend", "a friend", 2, async ({ tom, jerry, spike }) => {
  await befriend(tom, jerry);
  await befriend(tom, spike);
  return () => jerry.rpc.friend.removeFriend({ userId: tom.userId });
});
mutation("FriendService.RemoveFriend", "none, and nobody", 0, async ({ tom, jerry }) => async () => {
  await tom.rpc.friend.removeFriend({ userId: jerry.userId });
  await tom.rpc.friend.removeFriend({ userId: "nobody-of-that-name" });
});

// Users

mutation("UserService.UpdateUser", "one's profile", 2, async ({ tom, jerry }) => {
  await befriend(tom, jerry);
  return () =>
    tom.rpc.user.updateUser({ displayName: "Tom", avatarUrl: "https://example.com/tom.png", attributes: data("cat") });
});
mutation("UserService.UpdateUser", "to what it is, or not at all", 0, async ({ tom, jerry }) => {
  await befriend(tom, jerry);
  await tom.rpc.user.updateUser({ displayName: "Tom", attributes: data("cat") });
  return async () => {
    await tom.rpc.user.updateUser({ displayName: "Tom", attributes: data("cat") });
    await tom.rpc.user.updateUser({});
  };
});
mutation(
  "AdminService.BatchUpsertUsers",
  "some new, some changed, some as they were",
  3,
  async ({ backend, tom, jerry, spike }) => {
    await befriend(tom, jerry);
    const upsert = (userId: string, displayName: string) => ({ userId, displayName });
    await backend.admin.batchUpsertUsers({ users: [upsert(spike.userId, "Spike")] });
    return async () => {
      const users = [upsert(tom.userId, "Tomcat"), upsert(subject("new"), "New"), upsert(spike.userId, "Spike")];
      await backend.admin.batchUpsertUsers({ users: [...users, { userId: jerry.userId }] });
      await backend.admin.batchUpsertUsers({ users: [{ userId: spike.userId, attributes: data("dog") }] });
    };
  },
);
