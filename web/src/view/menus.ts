import { type Peer, user } from "@parley/client";
import { type Chat, inBackground, threadOf } from "../model/chat.js";
import { dropCircle, putCircle } from "../model/circles.js";
import { addFriend, removeFriend } from "../model/friends.js";
import { peerId } from "../model/peers.js";
import type { Thread } from "../model/thread.js";
import { ask, idsIn, type Question } from "./ask.js";
import { byId, h } from "./dom.js";

interface Choice {
  readonly label: string;
  readonly choose: () => void;
}

function fill(menu: HTMLElement, choices: readonly Choice[]): void {
  const buttons = choices.map(({ label, choose }) => {
    const click = () => {
      menu.hidePopover();
      choose();
    };
    return h("button", { type: "button", click }, label);
  });
  menu.replaceChildren(...buttons);
}

const userField = { name: "id", label: "User id" };

/** The menu that starts something. */
export function setUpNewMenu(chat: Chat, openThread: (thread: Thread) => void): void {
  const { client } = chat;
  const open = (peer: Peer) => openThread(threadOf(chat, peer));
  const question = (title: string, submit: string, fields: Question["fields"], run: Question["run"]): Choice => ({
    label: title,
    choose: () => ask({ title, submit, fields, run }),
  });
  const members = { name: "members", label: "Members: user ids, with spaces between", optional: true };
  const name = { name: "name", label: "Name" };
  fill(byId("new-menu"), [
    question("Add friend", "Add", [userField], async ({ id = "" }) => {
      await addFriend(chat, id.trim());
      open(user(id.trim()));
    }),
    question("Write to a user", "Write", [userField], async ({ id = "" }) => {
      chat.names.set(await client.users.get(id.trim()));
      open(user(id.trim()));
    }),
    question("New group", "Create", [name, members], async (given) => {
      const made = { name: given.name ?? "", memberUserIds: idsIn(given.members) };
      openThread(putCircle(chat, await client.groups.create(made)));
    }),
    question("Join a group", "Join", [{ name: "id", label: "Group id" }], async ({ id = "" }) =>
      openThread(putCircle(chat, await client.groups.join(id.trim()))),
    ),
    question("New room", "Create", [name, members], async (given) => {
      const made = { name: given.name ?? "", memberUserIds: idsIn(given.members) };
      openThread(putCircle(chat, await client.rooms.create(made)));
    }),
    question("Join a room", "Join", [{ name: "id", label: "Room id" }], async ({ id = "" }) =>
      openThread(putCircle(chat, await client.rooms.join(id.trim()))),
    ),
  ]);
}

/** What can be done with the thread that is open. */
export function fillThreadMenu(chat: Chat, thread: Thread, leave: () => void): void {
  const { client } = chat;
  const id = peerId(thread.peer);
  const copy = { label: "Copy id", choose: () => inBackground(chat, navigator.clipboard.writeText(id)) };
  const leaveBy = async (call: Promise<void>): Promise<void> => {
    await call;
    dropCircle(chat, thread.peer);
    leave();
  };
  const go = (label: string, call: () => Promise<void>): Choice => ({
    label,
    choose: () => inBackground(chat, leaveBy(call())),
  });
  const add = (choose: Question["run"]): Choice => ({
    label: "Add members",
    choose: () =>
      ask({ title: "Add members", submit: "Add", fields: [{ name: "ids", label: "User ids" }], run: choose }),
  });
  const title = "Dissolve the group, with all that was said?";
  const dissolve = (): Choice => ({
    label: "Dissolve group",
    choose: () => ask({ title, submit: "Dissolve", fields: [], run: () => leaveBy(client.groups.delete(id)) }),
  });
  const choices: Choice[] = [];
  if (thread.peer.peer.case === "userId") {
    const change = () => (chat.friends.has(id) ? removeFriend(chat, id) : addFriend(chat, id));
    const label = chat.friends.has(id) ? "Remove friend" : "Add friend";
    choices.push({ label, choose: () => inBackground(chat, change()) }, copy);
  } else if (thread.peer.peer.case === "groupId") {
    choices.push(
      add(async ({ ids }) => void putCircle(chat, await client.groups.addMembers(id, idsIn(ids)))),
      copy,
    );
    const own = chat.groups.get(id)?.ownerUserId === chat.me;
    choices.push(own ? dissolve() : go("Leave group", () => client.groups.leave(id)));
  } else if (thread.peer.peer.case === "roomId") {
    choices.push(
      add(async ({ ids }) => void putCircle(chat, await client.rooms.addMembers(id, idsIn(ids)))),
      copy,
    );
    choices.push(go("Leave room", () => client.rooms.leave(id)));
  }
  fill(byId("thread-menu"), choices);
}
