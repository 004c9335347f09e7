import { readdirSync, readFileSync } from "node:fs";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { backend, eventually, login, refusal, startTestServer, type TestServer } from "../support/index.js";
import { figure } from "../support/proofs/figure.js";
import { payloads } from "./hostile-payloads.js";
import { accidents, openWindow } from "./support/chat-window.js";
import { describeInBrowser } from "./support/suite.js";

const WEB = new URL("../../web/src", import.meta.url).pathname;

describeInBrowser("A11: hostile texts in the browser", (browser) => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startTestServer();
  });
  afterAll(() => server.close());
  afterEach(() => expect(accidents.splice(0)).toEqual([]));

  /** The elements on the page that only a text read as HTML could have made. */
  const foreign =
    "#chat :is(script, img, svg, iframe, object, link, style, base, meta, form:not(#composer)), body > base";

  test("texts are shown byte for byte and run nothing", async (context) => {
    expect(new Set(payloads).size).toBe(60);
    await login(server, "Vic");
    const vic = await openWindow(browser(), server);
    await vic.logIn("Vic");
    const links: string[] = [];
    // A page opens with the newest thirty.
    for (const [eve, texts] of Object.entries({ Eve: payloads.slice(0, 30), Evelyn: payloads.slice(30) })) {
      const { rpc } = await login(server, eve);
      for (const text of texts)
        await rpc.message.sendMessage({
          receiver: { peer: { case: "userId", value: "Vic" } },
          content: { content: { case: "text", value: { text } } },
          remark: text,
          attributes: { [text]: text },
        });
      await vic.open(eve);
      await vic.shows(texts);
      expect(await vic.page.locator(foreign).count()).toBe(0);
      for (const link of await vic.page.locator("#messages a").all())
        links.push(await link.evaluate((a) => `${(a as HTMLAnchorElement).protocol} ${(a as HTMLAnchorElement).rel}`));
    }
    expect([...new Set(links)]).toEqual(["http: noopener noreferrer nofollow"]);
    await vic.screenshot("hostile-texts");
    figure(context, `${payloads.length} hostile texts: 0 dialogs, 0 foreign elements, 0 requests to elsewhere`);
  });

  test("names of users, groups and rooms, and other contents, are texts too", async () => {
    const mallory = await login(server, "Mallory");
    await login(server, "Wendy");
    await mallory.rpc.user.updateUser({ displayName: payloads[1] ?? "" });
    await mallory.rpc.friend.addFriend({ userId: "Wendy" });
    for (const name of payloads) await mallory.rpc.group.createGroup({ name, memberUserIds: ["Wendy"] });
    for (const name of payloads.slice(0, 4)) await mallory.rpc.room.createRoom({ name, memberUserIds: ["Wendy"] });
    const receiver = { peer: { case: "userId", value: "Wendy" } } as const;
    await mallory.rpc.message.sendMessage({
      receiver,
      content: { content: { case: "custom", value: { type: "<b>x</b>", fallbackText: payloads[2] ?? "" } } },
    });
    await mallory.rpc.message.sendMessage({
      receiver,
      content: { content: { case: "file", value: { url: "http://127.0.0.1:1/x", fileName: payloads[0] ?? "" } } },
    });
    await mallory.rpc.message.sendMessage({
      receiver,
      content: { content: { case: "location", value: { latitude: 1, longitude: 2, name: payloads[1] ?? "" } } },
    });
    await backend(server).admin.sendSystemMessage({
      receiver,
      content: { content: { case: "notice", value: { type: "x", text: payloads[0] ?? "" } } },
    });

    const wendy = await openWindow(browser(), server);
    await wendy.logIn("Wendy");
    await eventually(async () => {
      const names = await wendy.page.locator("#chats .name").allTextContents();
      expect([...new Set(names)].sort()).toEqual([...new Set([...payloads, "System"])].sort());
    });
    await wendy.page.locator("[data-thread='userId:Mallory'] button").click();
    await wendy.shows([payloads[2] ?? "", `File: ${payloads[0]}`, `Place: ${payloads[1]} (1, 2)`]);
    await wendy.open("System");
    await wendy.sees(payloads[0] ?? "");
    await wendy.page.getByRole("tab", { name: "Friends" }).click();
    await wendy.page
      .locator("#friends .name")
      .getByText(payloads[1] ?? "")
      .waitFor();
    expect(await wendy.page.locator(foreign).count()).toBe(0);
    await wendy.screenshot("hostile-names");
  });

  test("addresses of media that are no web addresses are refused by the server", async () => {
    const eve = await login(server, "Eve");
    for (const url of [
      "javascript:alert(1)",
      "data:text/html,<script>alert(1)</script>",
      "vbscript:x",
      "//evil.example",
    ]) {
      const content = { content: { case: "image" as const, value: { url } } };
      const sent = eve.rpc.message.sendMessage({ receiver: { peer: { case: "userId", value: "Eve" } }, content });
      expect(await refusal(sent)).toMatchObject({ reason: "INVALID_FIELD", field: "content.image.url" });
    }
  });

  test("the page never reads a text as HTML or as code", async () => {
    const page = await fetch(server.url);
    expect(page.headers.get("content-security-policy")).toMatch(/^default-src 'self';(?!.*unsafe)/);
    expect(await page.text()).toContain("require-trusted-types-for 'script'; trusted-types 'none'");
    const sinks = /\b(innerHTML|outerHTML|insertAdjacentHTML|setHTMLUnsafe|document\.write|eval|Function)\b\s*[(=]/;
    for (const file of readdirSync(WEB, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".ts")))
      expect([file, sinks.exec(readFileSync(`${WEB}/${file}`, "utf8"))]).toEqual([file, null]);
  });

  test("ids that could be read as anything else are refused in words", async () => {
    const window = await openWindow(browser(), server);
    for (const id of ["<img src=x onerror=alert(1)>", "a b", "../x"]) {
      await window.page.getByLabel("User id").fill(id);
      await window.page.getByRole("button", { name: "Log in" }).click();
      await window.page.locator("#login-error").getByText("An id has only letters").waitFor();
    }
    await window.logIn("Xaver");
    await window.page.getByRole("button", { name: "New", exact: true }).click();
    await window.page.locator("#new-menu").getByRole("button", { name: "Add friend" }).click();
    await window.page.locator('#ask [name="id"]').fill("<svg/onload=alert(1)>");
    await window.page.locator("#ask-ok").click();
    await window.page.locator("#ask-error").getByText("An id has only letters").waitFor();
  });

  test("a link with hostile parameters leads to an app that does not exist, and nothing else", async () => {
    const hostile = {
      url: server.url,
      appId: encodeURIComponent("<img src=x onerror=alert(1)>"),
      clientKey: "javascript:alert(1)",
    };
    const window = await openWindow(browser(), hostile);
    await window.page.getByLabel("User id").fill("Yan");
    await window.page.getByRole("button", { name: "Log in" }).click();
    await eventually(async () => expect(await window.page.locator("#login-error").textContent()).not.toBe(""));
  });
});
