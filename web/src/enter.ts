import { createClient, toParleyError } from "@parley/client";
import { type Chat, createChat } from "./model/chat.js";
import { listen } from "./model/listen.js";
import { trackPending } from "./model/sending.js";
import { type App, forgetTabUser, forgetUser, leaveNotice, rememberUser, saveApp } from "./settings.js";
import { holdUser } from "./tabs.js";
import { showChat } from "./view/chat-view.js";
import { byId } from "./view/dom.js";
import { showProblem } from "./view/problems.js";

function newChat(app: App, userId: string): Chat {
  const client = createClient({ baseUrl: location.origin, ...app });
  const chat = createChat(client, userId, showProblem);
  listen(chat);
  return chat;
}

/** Logs in, by the session this browser still has of the user or by a new one. */
export async function logIn(app: App, userId: string): Promise<void> {
  const chat = newChat(app, userId);
  try {
    if (!(await chat.client.restore(userId))) await chat.client.login({ bareId: userId });
  } catch (error) {
    await chat.client.close();
    throw error;
  }
  begin(app, chat);
}

/** Goes on with the session of an earlier page; false when there is none. */
export async function resumeSession(app: App, userId: string): Promise<boolean> {
  const chat = newChat(app, userId);
  if (await chat.client.restore(userId)) {
    begin(app, chat);
    return true;
  }
  await chat.client.close();
  return false;
}

function begin(app: App, chat: Chat): void {
  saveApp(app);
  rememberUser(chat.me);
  const release = holdUser(app, chat.me);
  trackPending(chat);
  showChat(chat);

  /** Every user gets a fresh page, so that nothing of one is left to the next. */
  function leave(): void {
    forgetTabUser();
    release();
    location.reload();
  }

  byId("switch-user").addEventListener("click", () => void chat.client.close().then(leave));
  byId("log-out").addEventListener("click", async () => {
    forgetUser(chat.me);
    // When the server cannot be reached, the SDK goes on telling it from the next page.
    await chat.client.logout().catch(toParleyError);
    leave();
  });
  chat.client.on("state", (state) => {
    if (state.name !== "closed" || state.reason !== "session_rejected") return;
    leaveNotice("Your session has ended. Log in again.");
    leave();
  });
}
