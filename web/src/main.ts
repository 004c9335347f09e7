import { logIn, resumeSession } from "./enter.js";
import { type App, knownUsers, readApp, tabUser, takeNotice } from "./settings.js";
import { usersOfOtherTabs } from "./tabs.js";
import { showLogin } from "./view/login-view.js";
import { showNotice, showProblem } from "./view/problems.js";

/** The user to go on as: this tab's, or in a fresh tab the latest, unless another tab shows that one. */
async function userToResume(app: App): Promise<string | undefined> {
  const own = tabUser();
  if (own !== undefined) return own ?? undefined;
  const [latest] = knownUsers();
  if (latest === undefined) return undefined;
  return (await usersOfOtherTabs(app, [latest])).has(latest) ? undefined : latest;
}

async function start(): Promise<void> {
  const app = readApp();
  const notice = takeNotice();
  if (notice !== "") showNotice(notice);
  const userId = app && (await userToResume(app));
  try {
    if (app && userId !== undefined && (await resumeSession(app, userId))) return;
  } catch (error) {
    showProblem(error);
  }
  showLogin(app, logIn);
}

addEventListener("hashchange", () => location.reload());
void start();
