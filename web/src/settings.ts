/** The app that the page talks to. */
export interface App {
  readonly appId: string;
  readonly clientKey: string;
}

const appKey = "parley-page/app";
const usersKey = "parley-page/users";
const tabUserKey = "parley-page/user";
const knownUsersLimit = 5;

/** Takes the app from the link the server prints (`#app_id=…&client_key=…`), else from the last visit, and cleans the address. */
export function readApp(): App | undefined {
  const linked = fromLink(location.hash.slice(1)) ?? fromLink(location.search.slice(1));
  if (!linked) return read<App | undefined>(localStorage, appKey, undefined);
  history.replaceState(null, "", location.pathname);
  saveApp(linked);
  return linked;
}

function fromLink(text: string): App | undefined {
  const parameters = new URLSearchParams(text);
  const appId = parameters.get("app_id");
  const clientKey = parameters.get("client_key");
  return appId && clientKey ? { appId, clientKey } : undefined;
}

export function saveApp(app: App): void {
  write(localStorage, appKey, app);
}

/** The users that logged in on this browser, the latest first. */
export function knownUsers(): string[] {
  return read<string[]>(localStorage, usersKey, []);
}

/** The user of this tab, which a reload keeps; null when the user is to be asked, undefined in a fresh tab. */
export function tabUser(): string | null | undefined {
  return read<string | null | undefined>(sessionStorage, tabUserKey, undefined);
}

export function rememberUser(userId: string): void {
  write(sessionStorage, tabUserKey, userId);
  write(
    localStorage,
    usersKey,
    [userId, ...knownUsers().filter((known) => known !== userId)].slice(0, knownUsersLimit),
  );
}

/** The next page of this tab asks who the user is. */
export function forgetTabUser(): void {
  write(sessionStorage, tabUserKey, null);
}

export function forgetUser(userId: string): void {
  const left = knownUsers().filter((known) => known !== userId);
  write(localStorage, usersKey, left);
}

function read<T>(storage: Storage, key: string, otherwise: T): T {
  try {
    return JSON.parse(storage.getItem(key) ?? "") as T;
  } catch {
    return otherwise;
  }
}

function write(storage: Storage, key: string, value: unknown): void {
  try {
    storage.setItem(key, JSON.stringify(value));
  } catch {
    // Without storage the page works until it is reloaded.
  }
}
