import { readFileSync } from "node:fs";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { startTestServer, type TestServer } from "../support/index.js";
import { png } from "../support/uploads.js";
import { accidents, openWindow } from "./support/chat-window.js";
import { describeInBrowser } from "./support/suite.js";

describeInBrowser("files in the browser", (browser) => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startTestServer({ limits: { attachmentBytes: 300_000 } });
  });
  afterAll(() => server.close());
  afterEach(() => expect(accidents.splice(0)).toEqual([]));

  test("a picture is sent, seen by the other side and after a reload, and saved byte for byte", async () => {
    const tom = await openWindow(browser(), server);
    await tom.logIn("Tom");
    const jerry = await openWindow(browser(), server);
    await jerry.logIn("Jerry");
    await tom.choose("Add friend", { id: "Jerry" });

    const picture = png(640, 400);
    await tom.page.locator("#file").setInputFiles({ name: "cat.png", mimeType: "image/png", buffer: picture });
    await tom.page.locator(".own .status[data-status=sent]").waitFor();
    await jerry.open("Tom");
    const seen = jerry.page.locator("#messages .media img");
    await seen.waitFor();
    const sizes = () =>
      seen.evaluate(async (image: HTMLImageElement) => {
        await image.decode();
        return [image.naturalWidth, image.naturalHeight, image.width, image.height];
      });
    expect(await sizes()).toEqual([128, 80, 128, 80]);

    await tom.page.locator("#file").setInputFiles([
      { name: "notes.html", mimeType: "text/html", buffer: Buffer.from("<script>alert(1)</script>") },
      { name: "drawing.svg", mimeType: "image/svg+xml", buffer: Buffer.from("<svg onload='alert(1)'/>") },
    ]);
    await jerry.page.getByText("File: notes.html (25 B)").waitFor();
    await jerry.page.getByText("File: drawing.svg (24 B)").waitFor();
    await tom.screenshot("attachments-tom");
    await jerry.screenshot("attachments-jerry");

    const download = jerry.page.waitForEvent("download");
    await seen.click();
    const saved = await download;
    expect(saved.suggestedFilename()).toBe("cat.png");
    expect(readFileSync(await saved.path()).equals(picture)).toBe(true);

    await jerry.page.reload();
    await jerry.open("Tom");
    expect(await sizes()).toEqual([128, 80, 128, 80]);
  });

  test("what the server does not take is told, and may be tried again", async () => {
    const tom = await openWindow(browser(), server);
    await tom.logIn("Tom");
    await tom.choose("Write to a user", { id: "Jerry" });
    const choose = (buffer: Buffer, name = "big.bin") =>
      tom.page.locator("#file").setInputFiles({ name, mimeType: "application/octet-stream", buffer });
    await choose(Buffer.alloc(300_001));
    await tom.page.getByText("Not sent. That is too large.").waitFor();
    await tom.page.getByRole("button", { name: "Discard" }).click();

    await tom.page.route("**/attachments/**", (route) => route.abort(), { times: 1 });
    await choose(Buffer.alloc(1000), "small.bin");
    await tom.page.getByText("Not sent. The server cannot be reached.").waitFor();
    await tom.page.getByRole("button", { name: "Retry" }).click();
    await tom.page.locator(".own .media", { hasText: "File: small.bin (1 kB)" }).waitFor();
  });
});
