import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Browser } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect, onTestFinished, test } from "vitest";
import { eventually, startTestServer, type TestServer } from "../support/index.js";
import { freePort, spawnServer } from "../support/process-server.js";
import { startTcpProxy } from "../support/tcp-proxy.js";
import { TEMP_PARENT } from "../support/temp-parent.js";
import { accidents, type ChatWindow, openWindow } from "./support/chat-window.js";
import { describeInBrowser } from "./support/suite.js";

type App = Pick<TestServer, "url" | "appId" | "clientKey">;

describeInBrowser("lost networks and servers in the browser", (browser) => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startTestServer({ times: { heartbeatMs: 400, drainMs: 500 } });
  });
  afterAll(() => server.close());
  afterEach(() => expect(accidents.splice(0)).toEqual([]));

  test("both windows go offline and write: afterwards everything is there once, in order", async () => {
    const [tom, jerry] = await twoTalking(browser(), server, "Tom", "Jerry");
    await tom.context.setOffline(true);
    await tom.is("No network");
    await tom.send("tom 1", "tom 2");
    await jerry.send("jerry 1", "jerry 2");
    await jerry.context.setOffline(true);
    await tom.send("tom 3");
    await jerry.send("jerry 3");
    await tom.screenshot("offline");
    await tom.context.setOffline(false);
    await jerry.context.setOffline(false);
    await agree(tom, jerry, ["tom 1", "tom 2", "tom 3"], ["jerry 1", "jerry 2", "jerry 3"]);
  });

  test("connections are cut and refused again and again while both write", async () => {
    const proxy = await startTcpProxy(server.url);
    onTestFinished(() => proxy.close());
    const [tom, jerry] = await twoTalking(browser(), { ...server, url: proxy.url }, "Tina", "Jack");
    const said: [string[], string[]] = [[], []];
    proxy.delayMs = 10;
    for (let round = 1; round <= 8; round += 1) {
      said[0].push(`tom ${round}`);
      said[1].push(`jerry ${round}`);
      if (round % 3 === 0) proxy.refuse();
      const cut = eventually(() => proxy.cutAll());
      await Promise.all([tom.send(`tom ${round}`), jerry.send(`jerry ${round}`), cut]);
      proxy.cutAll();
      if (round % 3 === 0) await tom.page.getByRole("button", { name: "Try now" }).waitFor();
      if (round === 6) await tom.screenshot("reconnecting");
      proxy.accept();
    }
    await agree(tom, jerry, ...said);
  });

  test("a connection that fell silent is noticed and replaced", async () => {
    const proxy = await startTcpProxy(server.url);
    onTestFinished(() => proxy.close());
    const [tom, jerry] = await twoTalking(browser(), { ...server, url: proxy.url }, "Theo", "Jill");
    proxy.freeze();
    await tom.send("tom 1");
    await jerry.send("jerry 1");
    await tom.page.locator("#connection[data-tone=busy]").waitFor();
    await tom.send("tom 2");
    proxy.thaw();
    await agree(tom, jerry, ["tom 1", "tom 2"], ["jerry 1"]);
  });

  test("the server stops and starts again in the middle of a conversation", async () => {
    let own = await startTestServer({ settings: { port: await freePort() }, times: { drainMs: 500 } });
    onTestFinished(() => own.close());
    const [tom, jerry] = await twoTalking(browser(), own, "Tom", "Jerry");
    await tom.send("tom 1");
    await jerry.send("jerry 1");
    const restarted = own.restart();
    await tom.send("tom 2", "tom 3");
    await jerry.send("jerry 2");
    own = await restarted;
    await tom.send("tom 4");
    await agree(tom, jerry, ["tom 1", "tom 2", "tom 3", "tom 4"], ["jerry 1", "jerry 2"]);
  });

  test("the server is killed in the middle of a conversation", async () => {
    const place = { dataDir: mkdtempSync(join(TEMP_PARENT, "parley-test-killed-")), port: await freePort() };
    let own = await spawnServer(place);
    onTestFinished(async () => {
      await own.kill();
      rmSync(place.dataDir, { recursive: true });
    });
    const app = { url: `http://127.0.0.1:${place.port}`, appId: own.appId, clientKey: own.clientKey };
    const [tom, jerry] = await twoTalking(browser(), app, "Tom", "Jerry");
    const said: [string[], string[]] = [[], []];
    for (let round = 1; round <= 2; round += 1) {
      said[0].push(`tom ${round}`, `tom ${round} again`);
      said[1].push(`jerry ${round}`);
      await tom.send(`tom ${round}`);
      const killed = own.kill();
      await jerry.send(`jerry ${round}`);
      await killed;
      await tom.send(`tom ${round} again`);
      own = await spawnServer(place);
    }
    await agree(tom, jerry, ...said);
  }, 120_000);
});

/** Two friends with their conversation open in two windows. */
async function twoTalking(browser: Browser, app: App, one: string, other: string): Promise<[ChatWindow, ChatWindow]> {
  const [first, second] = [await openWindow(browser, app), await openWindow(browser, app)];
  await first.logIn(one);
  await second.logIn(other);
  await first.choose("Add friend", { id: other });
  await second.choose("Write to a user", { id: one });
  await first.is("Online");
  await second.is("Online");
  return [first, second];
}

/** Waits until both windows show all that was said, once, in one order, and that of each speaker. */
async function agree(first: ChatWindow, second: ChatWindow, byFirst: string[], bySecond: string[]): Promise<void> {
  await eventually(async () => {
    const [left, right] = [await first.texts(), await second.texts()];
    expect([...left].sort()).toEqual([...byFirst, ...bySecond].sort());
    expect(left.filter((text) => byFirst.includes(text))).toEqual(byFirst);
    expect(left.filter((text) => bySecond.includes(text))).toEqual(bySecond);
    expect(right).toEqual(left);
  }, 45_000);
  for (const window of [first, second]) {
    await window.page.locator(".sending").waitFor({ state: "detached" });
    await window.is("Online");
    await window.page.reload();
    const before = await (window === first ? second : first).texts();
    await window.page.locator("#chats li button").first().click();
    await window.shows(before);
  }
}
