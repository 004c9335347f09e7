import type { App } from "./settings.js";

const lockName = ({ appId }: App, userId: string) => `parley-page/${appId}/${userId}`;

/** Lets other tabs of this browser see that this one shows the user; returns the function that ends that. */
export function holdUser(app: App, userId: string): () => void {
  let release = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  void navigator.locks?.request(lockName(app, userId), { mode: "shared" }, () => held);
  return release;
}

/** Those of the users that another tab shows. Where the browser cannot tell (plain http), none. */
export async function usersOfOtherTabs(app: App, userIds: readonly string[]): Promise<Set<string>> {
  const locks = (await navigator.locks?.query())?.held ?? [];
  const names = new Set(locks.map(({ name }) => name));
  return new Set(userIds.filter((userId) => names.has(lockName(app, userId))));
}
