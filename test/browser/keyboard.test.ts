import { afterAll, afterEach, beforeAll, expect, onTestFinished, test } from "vitest";
import { login, startTestServer, type TestServer } from "../support/index.js";
import { accidents, openWindow } from "./support/chat-window.js";
import { describeInBrowser } from "./support/suite.js";

describeInBrowser("a newcomer with a keyboard in the browser", (browser) => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startTestServer();
  });
  afterAll(() => server.close());
  afterEach(() => expect(accidents.splice(0)).toEqual([]));

  test.each([
    ["a phone", { width: 390, height: 844 }],
    ["a desk", { width: 1280, height: 800 }],
  ])("on %s: logs in, befriends, writes and looks around without a mouse", async (_, viewport) => {
    const other = await login(server, `Jerry-${viewport.width}`);
    const { page, sees, screenshot, shows } = await openWindow(browser(), server, { viewport });
    const press = async (...keys: string[]) => {
      for (const key of keys) await page.keyboard.press(key);
    };
    const focused = () => page.evaluate(() => document.activeElement?.textContent?.trim());

    await page.getByLabel("User id").waitFor();
    await page.keyboard.type(`Tom-${viewport.width}`);
    await press("Enter");
    await sees("No conversations yet. Begin one with New.");

    await page.locator("#tab-chats").focus();
    await press("ArrowRight");
    await sees("No friends yet. Add one with New.");
    expect(await focused()).toBe("Friends");
    await press("ArrowRight");
    expect(await focused()).toBe("Chats");
    await press("Tab");
    expect(await focused()).toBe("New");
    await press("Enter", "Tab");
    expect(await focused()).toBe("Add friend");
    await press("Enter");
    await page.keyboard.type(other.userId);
    await press("Enter");
    await page.locator("#thread-title").getByText(other.userId).waitFor();

    await page.locator("#text").focus();
    await page.keyboard.type("Hello");
    await press("Enter");
    await shows(["Hello"]);
    // Nothing is wider than the window.
    expect(await page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth)).toBe(true);
    await screenshot(`keyboard-${viewport.width}`);
  });

  test("without an app in the address the page says where its id and key come from", async () => {
    const context = await browser().newContext();
    onTestFinished(() => context.close());
    const page = await context.newPage();
    await page.goto(server.url);
    await page.getByText("The link that the server printed at its start fills them in.").waitFor();
    await page.getByLabel("App id").fill(server.appId);
    await page.getByLabel("Client key").fill(server.clientKey);
    await page.getByLabel("User id").fill("Stranger");
    await page.keyboard.press("Enter");
    await page.locator("#chat").waitFor();
  });
});
