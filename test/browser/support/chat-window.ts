import { join } from "node:path";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { onTestFinished } from "vitest";
import { eventually, type TestServer } from "../../support/index.js";

type App = Pick<TestServer, "url" | "appId" | "clientKey">;

/** One browser window with the chat page, and what a user does there. */
export interface ChatWindow {
  readonly page: Page;
  readonly context: BrowserContext;
  logIn(userId: string): Promise<void>;
  /** Chooses from the menu "New" and fills in the form. */
  choose(label: string, fields: Readonly<Record<string, string>>): Promise<void>;
  /** Opens a conversation of the list. */
  open(title: string): Promise<void>;
  /** Chooses from the menu of the open conversation. */
  act(label: string): Promise<void>;
  send(...texts: string[]): Promise<void>;
  /** The texts of the open conversation, as shown. */
  texts(): Promise<string[]>;
  /** Waits until the open conversation is exactly these texts, in this order. */
  shows(texts: readonly string[], withinMs?: number): Promise<void>;
  /** Waits until a text stands somewhere on the page. */
  sees(text: string | RegExp, withinMs?: number): Promise<void>;
  /** Waits until the connection is told as this. */
  is(connection: string, withinMs?: number): Promise<void>;
  screenshot(name: string): Promise<void>;
}

/** What the pages of a test met that they never should: dialogs, errors of scripts, requests to elsewhere. */
export const accidents: string[] = [];

/** The address that `parley serve` prints: the page with its app. */
function pageUrl({ url, appId, clientKey }: App): string {
  return `${url}/#app_id=${appId}&client_key=${clientKey}`;
}

/** Opens a window in a browser profile of its own; it is closed with the test. */
export async function openWindow(browser: Browser, app: App, options: Parameters<Browser["newContext"]>[0] = {}) {
  const context = await browser.newContext({ viewport: { width: 1100, height: 720 }, ...options });
  onTestFinished(() => context.close());
  return openTab(context, app);
}

/** Opens another tab of the same browser profile. */
export async function openTab(context: BrowserContext, app: App): Promise<ChatWindow> {
  const page = await context.newPage();
  watch(page, new URL(app.url).origin);
  await page.goto(pageUrl(app));
  return chatWindow(page);
}

function watch(page: Page, origin: string): void {
  page.on("dialog", (dialog) => {
    accidents.push(`a dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  page.on("console", (entry) => {
    if (/Content Security Policy|Refused to/.test(entry.text())) accidents.push(entry.text());
  });
  page.on("pageerror", (error) => accidents.push(`an error: ${error.stack ?? error.message}`));
  page.on("request", (request) => {
    const { protocol, origin: to } = new URL(request.url());
    if (to !== origin && protocol !== "data:") accidents.push(`a request to ${request.url()}`);
  });
}

function chatWindow(page: Page): ChatWindow {
  const texts = () => page.locator("#messages .message .text").allTextContents();

  async function shows(expected: readonly string[], withinMs = 10_000): Promise<void> {
    await eventually(async () => {
      const shown = await texts();
      if (JSON.stringify(shown) === JSON.stringify(expected)) return;
      // A look takes more of the machine than a check within this process.
      await new Promise((resolve) => setTimeout(resolve, 50));
      throw new Error(`the page shows ${JSON.stringify(shown)} and not ${JSON.stringify(expected)}`);
    }, withinMs);
  }

  return {
    page,
    context: page.context(),
    async logIn(userId) {
      await page.getByLabel("User id").fill(userId);
      await page.getByRole("button", { name: "Log in" }).click();
      await page.locator("#chat").waitFor();
    },
    async choose(label, fields) {
      await page.getByRole("button", { name: "New", exact: true }).click();
      await page.locator("#new-menu").getByRole("button", { name: label, exact: true }).click();
      const dialog = page.locator("#ask");
      for (const [name, value] of Object.entries(fields)) await dialog.locator(`[name="${name}"]`).fill(value);
      await dialog.locator("#ask-ok").click();
      await dialog.waitFor({ state: "hidden" });
    },
    async open(title) {
      await page.locator("#chats .name").getByText(title, { exact: true }).click();
      await page.locator("#thread-title").getByText(title, { exact: true }).waitFor();
    },
    async act(label) {
      await page.locator("#thread-more").click();
      await page.locator("#thread-menu").getByRole("button", { name: label, exact: true }).click();
    },
    async send(...all) {
      for (const text of all) {
        await page.locator("#text").fill(text);
        await page.locator("#text").press("Enter");
      }
    },
    texts,
    shows,
    async sees(text, withinMs = 10_000) {
      await page.getByText(text).first().waitFor({ timeout: withinMs });
    },
    async is(connection, withinMs = 10_000) {
      await page.locator("#connection").getByText(connection, { exact: true }).waitFor({ timeout: withinMs });
    },
    async screenshot(name) {
      await page.screenshot({ path: join(import.meta.dirname, "../screenshots", `${name}.png`) });
    },
  };
}
