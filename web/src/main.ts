import { finishLogouts, logIn, resumeSession } from "./enter.js";
import { type App, knownUsers, readApp, tabUser } from "./settings.js";
import { usersOfOtherTabs } from "./tabs.js";
import { showLogin } from "./view/login-view.js";
import { showProblem } from "./view/problems.js";

/** The page before anything happened: every user gets a fresh one, so that nothing of one is left to the next. */
const pristine = document.body.cloneNode(true);

function startOver(): void {
  document.body.replaceWith(pristine.cloneNode(true));
  document.title = "Parley";
  askForUser(readApp());
}

function askForUser(app: App | undefined): void {
  showLogin(app, (given, userId) => logIn(given, userId, startOver));
}

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
  const userId = app && (await userToResume(app));
  try {
    if (app && userId !== undefined && (await resumeSession(app, userId, startOver))) return;
  } catch (error) {
    showProblem(error);
  }
  if (app) finishLogouts(app);
  askForUser(app);
}

addEventListener("hashchange", () => location.reload());
void start();
