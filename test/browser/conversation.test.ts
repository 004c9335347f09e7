import type { Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { login, startTestServer, type TestServer } from "../support/index.js";
import { accidents, openWindow } from "./support/chat-window.js";
import { describeInBrowser } from "./support/suite.js";

/** How many timers a page sets in half a second. */
async function timersOf(page: Page): Promise<number> {
  return await page.evaluate(async () => {
    const { setTimeout } = window;
    let count = 0;
    window.setTimeout = ((...call: Parameters<typeof setTimeout>) => {
      count += 1;
      return setTimeout(...call);
    }) as typeof setTimeout;
    await new Promise((resolve) => setTimeout(resolve, 500));
    window.setTimeout = setTimeout;
    return count;
  });
}

describeInBrowser("a conversation in the browser", (browser) => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startTestServer({ times: { presenceGraceMs: 300, presenceTellMs: 0 } });
  });
  afterAll(() => server.close());
  afterEach(() => expect(accidents.splice(0)).toEqual([]));

  test("Tom and Jerry become friends, see each other come and go, talk, type and read", async () => {
    const tom = await openWindow(browser(), server);
    await tom.screenshot("login");
    await tom.logIn("Tom");
    const jerry = await openWindow(browser(), server);
    await jerry.logIn("Jerry");
    await tom.is("Online");
    await jerry.is("Online");

    await tom.choose("Add friend", { id: "Jerry" });
    await tom.page.locator("#thread-subtitle").getByText("Online").waitFor();
    await jerry.page.getByRole("tab", { name: "Friends" }).click();
    await jerry.page.locator('[data-friend="Tom"] .dot.online').waitFor();
    await jerry.screenshot("friends");

    await tom.send("Hi!");
    await jerry.page.getByRole("tab", { name: "Chats" }).click();
    const badge = jerry.page.locator('[data-thread="userId:Tom"] .badge');
    await badge.getByText("1", { exact: true }).waitFor();
    await jerry.open("Tom");
    await jerry.shows(["Hi!"]);
    await badge.waitFor({ state: "detached" });
    await tom.page.locator(".own .status[data-status=read]").waitFor();

    await jerry.page.locator("#text").pressSequentially("Hello, Tom");
    await tom.page.locator("#typing").getByText("Jerry is typing…").waitFor();
    await tom.screenshot("typing");
    await jerry.page.locator("#text").press("Enter");
    await tom.page.locator("#typing").getByText("Jerry is typing…").waitFor({ state: "hidden" });
    await tom.send("  two\n  lines  ", "see https://example.org/a?b=c.");
    await jerry.shows(["Hi!", "Hello, Tom", "  two\n  lines  ", "see https://example.org/a?b=c."]);
    expect(await jerry.page.locator("#messages a").getAttribute("href")).toBe("https://example.org/a?b=c");
    expect(await jerry.page.locator("#messages a").getAttribute("rel")).toContain("noopener");
    await tom.screenshot("conversation-tom");
    expect(await timersOf(tom.page), "nothing happens, nothing is drawn").toBeLessThan(10);
    await jerry.screenshot("conversation-jerry");

    await jerry.page.getByRole("button", { name: "Account" }).click();
    await jerry.page.getByRole("button", { name: "Log out" }).click();
    await jerry.page.getByLabel("User id").waitFor();
    await tom.page.locator("#thread-subtitle").getByText("Offline").waitFor();
    await tom.act("Remove friend");
    await tom.page.locator("#thread-subtitle").getByText("Not a friend").waitFor();
  });

  test("what a user sends on one device appears on the other", async () => {
    const desk = await openWindow(browser(), server);
    await desk.logIn("Uma");
    const phone = await openWindow(browser(), server, { viewport: { width: 390, height: 780 }, colorScheme: "dark" });
    await phone.logIn("Uma");
    const other = await openWindow(browser(), server, { viewport: { width: 1100, height: 720 }, colorScheme: "dark" });
    await other.logIn("Vera");
    await desk.choose("Write to a user", { id: "Vera" });
    await desk.send("from the desk");
    await phone.screenshot("phone-list-dark");
    await phone.page.getByRole("button", { name: "New", exact: true }).click();
    await phone.screenshot("phone-menu-dark");
    await phone.page.keyboard.press("Escape");
    await phone.open("Vera");
    await phone.shows(["from the desk"]);
    await phone.send("from the phone");
    await desk.shows(["from the desk", "from the phone"]);
    await phone.screenshot("phone-thread-dark");
    await phone.page.getByRole("button", { name: "Back to the list" }).click();
    await phone.page.locator("#chats").waitFor();
    await other.open("Uma");
    await other.shows(["from the desk", "from the phone"]);
    await other.send("from the other side, https://example.org");
    await desk.shows(["from the desk", "from the phone", "from the other side, https://example.org"]);
    await other.screenshot("conversation-dark");
  });

  test("older messages load on scrolling up", async () => {
    const window = await openWindow(browser(), server);
    const all = Array.from({ length: 130 }, (_, n) => `line ${n + 1}`);
    const { rpc } = await login(server, "Hana");
    for (const text of all)
      await rpc.message.sendMessage({
        receiver: { peer: { case: "userId", value: "Hana" } },
        content: { content: { case: "text", value: { text } } },
      });
    await window.logIn("Hana");
    await window.open("Hana");
    await window.page.getByText("line 130", { exact: true }).last().waitFor();
    expect((await window.texts()).length).toBeLessThan(130);
    for (let tries = 0; tries < 10 && (await window.texts()).length < 130; tries += 1) {
      await window.page.locator("#scroller").evaluate((scroller) => {
        scroller.scrollTop = 0;
      });
      await window.page.waitForTimeout(150);
    }
    await window.shows(all);
  });

  test("pausing waits, resuming catches up", async () => {
    await login(server, "Ann");
    const cara = await login(server, "Cara");
    await cara.rpc.message.sendMessage({
      receiver: { peer: { case: "userId", value: "Ann" } },
      content: { content: { case: "text", value: { text: "earlier" } } },
    });
    const ann = await openWindow(browser(), server);
    await ann.logIn("Ann");
    await ann.sees("earlier");
    const ben = await openWindow(browser(), server);
    await ben.logIn("Ben");
    await ann.choose("Add friend", { id: "Ben" });
    await ben.choose("Write to a user", { id: "Ann" });
    await ben.page.locator("#thread-subtitle").getByText("Online").waitFor();

    await ann.page.getByRole("button", { name: "Pause" }).click();
    await ann.is("Paused");
    await ben.page.locator("#thread-subtitle").getByText("Offline").waitFor();
    await ben.send("one", "two");
    await ann.send("written while paused");
    await ann.page.locator(".sending").waitFor();
    await ann.screenshot("paused");
    expect(await ann.texts()).toEqual(["written while paused"]);

    // What is asked for is still answered: a pause ends the stream, not the session.
    await ann.page.locator("[data-thread='userId:Cara'] button").click();
    await ann.shows(["earlier"]);
    await ann.open("Ben");

    await ann.page.locator("#pause").click();
    await ann.is("Online");
    await ann.page.locator(".sending").waitFor({ state: "detached" });
    await ben.shows(["one", "two", "written while paused"]);
    await ann.shows(["one", "two", "written while paused"]);
  });
});
