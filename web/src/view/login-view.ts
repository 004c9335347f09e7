import { type App, knownUsers } from "../settings.js";
import { usersOfOtherTabs } from "../tabs.js";
import { explain } from "../words.js";
import { byId, h, setText, show } from "./dom.js";

type LogIn = (app: App, userId: string) => Promise<void>;

function input(form: HTMLFormElement, name: string): HTMLInputElement {
  return form.elements.namedItem(name) as HTMLInputElement;
}

/** Asks who the user is. `logIn` rejects when it cannot be. */
export function showLogin(app: App | undefined, logIn: LogIn): void {
  const form = byId<HTMLFormElement>("login-form");
  input(form, "appId").value = app?.appId ?? "";
  input(form, "clientKey").value = app?.clientKey ?? "";
  byId<HTMLDetailsElement>("app-details").open = !app;
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    void submit(form, logIn);
  });
  show(byId("login"), true);
  input(form, app ? "userId" : "appId").focus();
  if (app) void offerKnownUsers(app, form);
}

async function submit(form: HTMLFormElement, logIn: LogIn): Promise<void> {
  const [userId = "", appId = "", clientKey = ""] = ["userId", "appId", "clientKey"].map((name) =>
    input(form, name).value.trim(),
  );
  const buttons = [...form.querySelectorAll("button")];
  for (const button of buttons) button.disabled = true;
  setText(byId("login-error"), "");
  try {
    await logIn({ appId, clientKey }, userId);
    show(byId("login"), false);
  } catch (error) {
    setText(byId("login-error"), explain(error));
  } finally {
    for (const button of buttons) button.disabled = false;
  }
}

/** Users of this browser log in by a click. */
async function offerKnownUsers(app: App, form: HTMLFormElement): Promise<void> {
  const users = knownUsers();
  const elsewhere = await usersOfOtherTabs(app, users);
  const buttons = users.map((userId) => {
    const click = () => {
      input(form, "userId").value = userId;
      form.requestSubmit();
    };
    const label = elsewhere.has(userId) ? `${userId} (in another tab)` : userId;
    return h("button", { type: "button", class: "quiet", click }, label);
  });
  byId("known-users").replaceChildren(...buttons);
  show(byId("known-users"), buttons.length > 0);
}
