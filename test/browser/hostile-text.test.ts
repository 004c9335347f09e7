import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { backend, eventually, login, startTestServer, type TestServer } from "../support/index.js";
import { accidents, openWindow } from "./support/chat-window.js";
import { describeInBrowser } from "./support/suite.js";

const payloads = [
  "<script>alert(1)</script>",
  "<img src=x onerror=alert(1)>",
  "<svg/onload=alert(1)>",
  "<svg><animate onbegin=alert(1) attributeName=x>",
  "<iframe src=javascript:alert(1)></iframe>",
  "<iframe srcdoc='<script>alert(1)</script>'>",
  "<object data=//evil.example/x.swf>",
  "<link rel=stylesheet href=//evil.example/x.css>",
  "<style>@import '//evil.example/x.css'</style>",
  "<base href=//evil.example/>",
  "<meta http-equiv=refresh content='0;url=//evil.example'>",
  "<form action=//evil.example><button>x</button></form>",
  "<details open ontoggle=alert(1)>",
  '"><script>alert(1)</script>',
  "'-alert(1)-'",
  "</title><script>alert(1)</script>",
  "</li></ol></main><img src=//evil.example/x.png>",
  "javascript:alert(1)",
  "data:text/html,<script>alert(1)</script>",
  'http://x" onmouseover="alert(1)',
  "{{constructor.constructor('alert(1)')()}}",
  "#{alert(1)}",
  "&lt;script&gt;alert(1)&lt;/script&gt;",
  "__proto__",
  "‮gnp.exe",
  "\u200b\ufeff",
  "Ａ<ｓcript>",
  "%3Cscript%3Ealert(1)%3C/script%3E",
];

describeInBrowser("hostile texts in the browser", (browser) => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startTestServer();
  });
  afterAll(() => server.close());
  afterEach(() => expect(accidents.splice(0)).toEqual([]));

  /** The elements on the page that only a text read as HTML could have made. */
  const foreign =
    "#chat :is(script, img, svg, iframe, object, link, style, base, meta, form:not(#composer)), body > base";

  test("texts are shown byte for byte and run nothing", async () => {
    const eve = await login(server, "Eve");
    await login(server, "Vic");
    for (const text of payloads)
      await eve.rpc.message.sendMessage({
        receiver: { peer: { case: "userId", value: "Vic" } },
        content: { content: { case: "text", value: { text } } },
      });
    const vic = await openWindow(browser(), server);
    await vic.logIn("Vic");
    await vic.open("Eve");
    await vic.shows(payloads);
    expect(await vic.page.locator(foreign).count()).toBe(0);
    const links = await vic.page
      .locator("#messages a")
      .evaluateAll((all) => all.map((link) => (link as HTMLAnchorElement).protocol));
    expect(links.every((protocol) => protocol === "http:" || protocol === "https:")).toBe(true);
    await vic.screenshot("hostile-texts");
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
