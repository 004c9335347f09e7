import { createClient } from "@parley/client";
import { type Chat, createChat } from "./model/chat.js";
import { listen } from "./model/listen.js";
import { trackPending } from "./model/sending.js";
import { type App, forgetTabUser, forgetUser, rememberUser, saveApp } from "./settings.js";
import { holdUser } from "./tabs.js";
import { showChat } from "./view/chat-view.js";
import { byId } from "./view/dom.js";
import { showNotice, showProblem } from "./view/problems.js";

/** Shows the login again, on a page as it was before anybody logged in. */
export type StartOver = () => void;

/** Tells the server of logouts that an earlier page could not tell it. */
export function finishLogouts(app: App): void {
  createClient({ baseUrl: location.origin, ...app });
}

function newChat(app: App, userId: string): Chat {
  const client = createClient({ baseUrl: location.origin, ...app });
  const chat = createChat(client, userId, showProblem);
  listen(chat);
  return chat;
}

/** Logs in, by the session this browser still has of the user or by a new one. */
export async function logIn(app: App, userId: string, startOver: StartOver): Promise<void> {
  const chat = newChat(app, userId);
  try {
    if (!(await chat.client.restore(userId))) await chat.client.login({ bareId: userId });
  } catch (error) {
    await chat.client.close();
    throw error;
  }
  begin(app, chat, startOver);
}

/** Goes on with the session of an earlier page; false when there is none. */
export async function resumeSession(app: App, userId: string, startOver: StartOver): Promise<boolean> {
  const chat = newChat(app, userId);
  if (await chat.client.restore(userId)) {
    begin(app, chat, startOver);
    return true;
  }
  await chat.client.close();
  return false;
}

function begin(app: App, chat: Chat, startOver: StartOver): void {
  const { client, me } = chat;
  saveApp(app);
  rememberUser(me);
  const release = holdUser(app, me);
  trackPending(chat);
  showChat(chat);

  function leave(): void {
    chat.end();
    forgetTabUser();
    release();
    startOver();
  }

  byId("switch-user").addEventListener("click", async () => {
    await client.close();
    leave();
  });
  byId("log-out").addEventListener("click", () => {
    forgetUser(me);
    client
      .logout()
      .catch(() => showNotice("You are logged out here. The server is told as soon as it can be reached."));
    leave();
  });
  client.on("state", (state) => {
    if (state.name !== "closed" || state.reason !== "session_rejected") return;
    leave();
    showNotice("Your session has ended. Log in again.");
  });
}
