import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { eventually, login, startTestServer, type TestServer } from "../support/index.js";
import { accidents, openTab, openWindow } from "./support/chat-window.js";
import { describeInBrowser } from "./support/suite.js";

describeInBrowser("sessions in the browser", (browser) => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startTestServer();
  });
  afterAll(() => server.close());
  afterEach(() => expect(accidents.splice(0)).toEqual([]));

  test("a reload goes on with the session, the conversation and what was not sent yet", async () => {
    const ida = await openWindow(browser(), server);
    await ida.logIn("Ida");
    const jon = await openWindow(browser(), server);
    await jon.logIn("Jon");
    await ida.choose("Write to a user", { id: "Jon" });
    await ida.send("before");
    await jon.open("Ida");
    await jon.shows(["before"]);
    await ida.page.getByRole("button", { name: "Pause" }).click();
    await ida.is("Paused");
    await ida.send("written, not sent");
    await ida.page.locator(".sending").waitFor();
    await ida.page.reload();
    await ida.is("Online");
    expect(new URL(ida.page.url()).hash).toBe("");
    await ida.open("Jon");
    await ida.shows(["before", "written, not sent"]);
    await jon.shows(["before", "written, not sent"]);
    const { rpc } = await login(server, "Ida");
    const { sessions } = await rpc.auth.listSessions({});
    expect(sessions.length, "the page's one and this test's").toBe(2);
  });

  test("two users in two tabs of one profile do not mix, not even by a reload", async () => {
    const tom = await openWindow(browser(), server);
    await tom.logIn("Tom");
    await tom.is("Online");
    const jerry = await openTab(tom.context, server);
    await jerry.page.getByRole("button", { name: "Tom (in another tab)" }).waitFor();
    await jerry.screenshot("login-second-tab");
    await jerry.logIn("Jerry");
    await jerry.choose("Add friend", { id: "Tom" });
    await jerry.send("Hi, Tom");
    await tom.is("Online");
    await tom.open("Jerry");
    await tom.shows(["Hi, Tom"]);
    await tom.page.reload();
    await jerry.page.reload();
    for (const [tab, name, other] of [
      [tom, "Tom", "Jerry"],
      [jerry, "Jerry", "Tom"],
    ] as const) {
      await tab.page.locator("#my-id").getByText(name, { exact: true }).waitFor();
      await tab.is("Online");
      await tab.open(other);
      await tab.shows(["Hi, Tom"]);
    }
    expect(await tom.page.locator("#messages .own").count()).toBe(0);
    expect(await jerry.page.locator("#messages .own").count()).toBe(1);

    await jerry.page.getByRole("button", { name: "Account" }).click();
    await jerry.page.getByRole("button", { name: "Log out" }).click();
    await jerry.page.getByLabel("User id").waitFor();
    await tom.send("Still here");
    await tom.shows(["Hi, Tom", "Still here"]);
    await tom.page.locator(".sending").waitFor({ state: "detached" });
  });

  test("a second tab of the same user takes over, and the first can take back", async () => {
    const first = await openWindow(browser(), server);
    await first.logIn("Nora");
    await first.is("Online");
    const second = await openTab(first.context, server);
    await second.page.getByRole("button", { name: "Nora (in another tab)" }).click();
    await second.is("Online");
    await first.sees("You are using Parley in another tab.");
    await first.screenshot("replaced");
    await first.page.getByRole("button", { name: "Use here" }).click();
    await first.is("Online");
    await second.sees("You are using Parley in another tab.");
  });

  test("switching users keeps the session; one ended from elsewhere leads back to the login", async () => {
    const window = await openWindow(browser(), server);
    await window.logIn("Omar");
    await window.page.getByRole("button", { name: "Account" }).click();
    await window.page.getByRole("button", { name: "Switch user" }).click();
    await window.logIn("Pia");
    await window.page.locator("#my-id").getByText("Pia").waitFor();
    await window.page.getByRole("button", { name: "Account" }).click();
    await window.page.getByRole("button", { name: "Switch user" }).click();
    await window.page.getByRole("button", { name: "Omar" }).click();
    await window.page.locator("#my-id").getByText("Omar").waitFor();

    const { rpc, sessionId } = await login(server, "Omar");
    const { sessions } = await rpc.auth.listSessions({});
    const others = sessions.filter((session) => session.sessionId !== sessionId);
    expect(others.length, "restored, not logged in a second time").toBe(1);
    await rpc.auth.revokeSession({ sessionId: others[0]?.sessionId ?? "" });
    await window.page.getByLabel("User id").waitFor();
    await window.sees("Your session has ended. Log in again.");
  });

  test("a logout without a network is at once here, and the server hears of it later", async () => {
    const window = await openWindow(browser(), server);
    await window.logIn("Quinn");
    await window.is("Online");
    await window.context.setOffline(true);
    await window.page.getByRole("button", { name: "Account" }).click();
    await window.page.getByRole("button", { name: "Log out" }).click();
    await window.page.getByLabel("User id").waitFor();
    await window.sees("You are logged out here.");
    await window.screenshot("logged-out-offline");
    await window.context.setOffline(false);
    const { rpc, sessionId } = await login(server, "Quinn");
    await eventually(async () => {
      const { sessions } = await rpc.auth.listSessions({});
      expect(sessions.map((session) => session.sessionId)).toEqual([sessionId]);
    }, 20_000);
    const saved = await window.page.evaluate(() => Object.keys(localStorage).filter((key) => key.includes("Quinn")));
    expect(saved).toEqual([]);
  });

  test("what is refused at login is told in the form", async () => {
    const window = await openWindow(browser(), { ...server, clientKey: "pc_wrong" });
    await window.page.getByLabel("User id").fill("Rolf");
    await window.page.getByRole("button", { name: "Log in" }).click();
    await window.sees("The app id or the client key is wrong.");
    await window.screenshot("login-refused");
  });
});
