import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { backend, startTestServer, type TestServer } from "../support/index.js";
import { accidents, openWindow } from "./support/chat-window.js";
import { describeInBrowser } from "./support/suite.js";

describeInBrowser("groups, rooms and system messages in the browser", (browser) => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startTestServer();
  });
  afterAll(() => server.close());
  afterEach(() => expect(accidents.splice(0)).toEqual([]));

  async function three(...names: string[]) {
    const windows = [];
    for (const name of names) {
      const window = await openWindow(browser(), server);
      await window.logIn(name);
      await window.is("Online");
      windows.push(window);
    }
    return windows as [Awaited<ReturnType<typeof openWindow>>, ...Awaited<ReturnType<typeof openWindow>>[]];
  }

  test("a group of three: made, grown, talked in, left, dissolved", async () => {
    const [tom, jerry, spike] = await three("Tom", "Jerry", "Spike");
    if (!jerry || !spike) throw new Error("three windows");
    await tom.choose("New group", { name: "The house", members: "Jerry" });
    await jerry.open("The house");
    await tom.act("Add members");
    await tom.page.locator('#ask [name="ids"]').fill("Spike");
    await tom.page.locator("#ask-ok").click();
    await jerry.sees("Tom added Spike");
    await spike.open("The house");

    await tom.send("Who is in?");
    await jerry.send("Me");
    await spike.shows(["Who is in?", "Me"]);
    await spike.send("Me too");
    for (const window of [tom, jerry, spike]) await window.shows(["Who is in?", "Me", "Me too"]);
    expect(await tom.page.locator("#messages .author").allTextContents()).toEqual(["Jerry", "Spike"]);
    await tom.screenshot("group");

    await jerry.act("Leave group");
    await jerry.page.locator("#chats").getByText("The house").waitFor({ state: "detached" });
    await tom.sees("Jerry left");
    await tom.act("Dissolve group");
    await tom.page.locator("#ask").getByRole("button", { name: "Cancel" }).click();
    await tom.send("Still here");
    await spike.sees("Still here");
    await tom.act("Dissolve group");
    await tom.page.locator("#ask").getByRole("button", { name: "Dissolve" }).click();
    await spike.page.locator("#thread-subtitle").getByText("You are no member here").waitFor();
    await spike.sees("Tom dissolved the group");
  });

  test("a room: made, joined by id, talked in, left, and forgotten", async () => {
    const [anna, bert] = await three("Anna", "Bert");
    if (!bert) throw new Error("two windows");
    await anna.choose("New room", { name: "The corner" });
    const key = await anna.page.locator("[data-thread^='roomId:']").getAttribute("data-thread");
    await bert.choose("Join a room", { id: key?.slice("roomId:".length) ?? "" });
    await anna.sees("Bert joined");
    await anna.send("Hello, room");
    await bert.shows(["Hello, room"]);
    await bert.send("Hello, Anna");
    await anna.shows(["Hello, room", "Hello, Anna"]);
    await anna.page.locator(".sending").waitFor({ state: "detached" });
    await anna.screenshot("room");
    await bert.page.reload();
    await bert.open("The corner");
    await bert.is("Online");
    expect(await bert.texts()).toEqual([]);
    await bert.act("Leave room");
    await anna.sees("Bert left");
  });

  test("the system speaks in its own conversation and in groups", async () => {
    const [cleo] = await three("Cleo");
    await cleo.choose("New group", { name: "Readers", members: "" });
    const key = await cleo.page.locator("[data-thread^='groupId:']").getAttribute("data-thread");
    const { admin } = backend(server);
    const say = (receiver: { case: "userId" | "groupId"; value: string }, text: string) =>
      admin.sendSystemMessage({
        receiver: { peer: receiver },
        content: { content: { case: "text", value: { text } } },
      });
    await say({ case: "userId", value: "Cleo" }, "Welcome");
    await say({ case: "groupId", value: key?.slice("groupId:".length) ?? "" }, "House rules");
    await cleo.shows(["House rules"]);
    await cleo.open("System");
    await cleo.shows(["Welcome"]);
    expect(await cleo.page.locator("#composer").isVisible()).toBe(false);
    await cleo.screenshot("system");
  });

  test("failures are told in words, and can be dismissed", async () => {
    const [dora] = await three("Dora");
    await dora.choose("New room", { name: "Echo" });
    await dora.page.locator("#pause").click();
    await dora.send("Anybody?");
    await dora.sees("Not sent. You are offline, and room talk does not wait.");
    await dora.screenshot("failed-send");
    await dora.page.locator("#pause").click();
    await dora.is("Online");
    await dora.page.getByRole("button", { name: "Retry" }).click();
    await dora.page.locator(".own .status[data-status=sent]").waitFor();
    expect(await dora.texts()).toEqual(["Anybody?"]);

    await dora.context.setOffline(true);
    await dora.act("Leave room");
    await dora.page.locator("#problems").getByText("The server cannot be reached.").waitFor();
    await dora.screenshot("notice");
    await dora.page.getByRole("button", { name: "Dismiss" }).click();
    expect(await dora.page.locator("#problems li").count()).toBe(0);
    await dora.context.setOffline(false);

    await dora.page.getByRole("button", { name: "New", exact: true }).click();
    await dora.page.locator("#new-menu").getByRole("button", { name: "Join a room" }).click();
    await dora.page.locator('#ask [name="id"]').fill("no-such-room");
    await dora.page.locator("#ask-ok").click();
    await dora.page.locator("#ask-error").getByText("There is nobody and nothing with this id.").waitFor();
    await dora.screenshot("dialog");
  });
});
