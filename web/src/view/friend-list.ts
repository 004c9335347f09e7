import { user } from "@parley/client";
import { type Chat, inBackground, threadOf } from "../model/chat.js";
import { removeFriend } from "../model/friends.js";
import type { Thread } from "../model/thread.js";
import { paintAvatar } from "./avatar.js";
import { presenceDot } from "./chat-list.js";
import { byId, h, type Item, reconcile } from "./dom.js";

function friendItem(chat: Chat, userId: string, openThread: (thread: Thread) => void): Item {
  const name = chat.names.of(userId);
  const online = chat.online.has(userId);
  const build = () => {
    const face = h("span");
    paintAvatar(face, `userId:${userId}`, name);
    face.append(presenceDot(chat, userId));
    const below = h("span", { class: "preview" }, name === userId ? (online ? "Online" : "Offline") : userId);
    const lines = h("span", { class: "lines" }, h("bdi", { class: "name" }, name), below);
    const open = () => openThread(threadOf(chat, user(userId)));
    const remove = () => inBackground(chat, removeFriend(chat, userId));
    const removeLabel = `Remove ${name} from friends`;
    return h(
      "li",
      { "data-friend": userId },
      h("button", { type: "button", click: open }, face, lines),
      h(
        "button",
        { type: "button", class: "quiet icon", "aria-label": removeLabel, title: removeLabel, click: remove },
        "×",
      ),
    );
  };
  return { key: userId, version: `${online} ${name}`, build };
}

/** Shows the friends: who is online first, then by name. */
export function renderFriends(chat: Chat, openThread: (thread: Thread) => void): void {
  const friends = [...chat.friends.keys()].map((userId) => ({
    userId,
    order: `${chat.online.has(userId) ? 0 : 1} ${chat.names.of(userId)}`,
  }));
  friends.sort((a, b) => a.order.localeCompare(b.order));
  const items = friends.map(({ userId }) => friendItem(chat, userId, openThread));
  const empty = { key: "", version: "", build: () => h("li", { class: "hint" }, "No friends yet. Add one with New.") };
  reconcile(byId("friends").firstElementChild as Element, items.length > 0 ? items : [empty]);
}
