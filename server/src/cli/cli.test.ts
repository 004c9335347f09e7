import { execFileSync } from "node:child_process";
import { expect, test } from "vitest";
import { safe } from "./chat-text.js";
import { tryLines, welcomeText } from "./welcome.js";

const developmentApp = { appId: "app1", clientKey: "pc_key", serviceKey: "pk_key" };

test("what others write cannot steer the terminal", () => {
  expect(safe("a\u001b[2Jb\u0007\u009b\r\nc\td")).toBe("a\ufffd[2Jb\ufffd\ufffd\n    c\td");
});

test("the greeting shows the keys and where things are", () => {
  const text = welcomeText({ version: "1.2.3", url: "http://127.0.0.1:9", dataDir: "/d", developmentApp });
  for (const part of ["1.2.3", "http://127.0.0.1:9", "/d", "app1", "pc_key", "pk_key", "--data-dir /d"])
    expect(text).toContain(part);
  expect(welcomeText({ version: "1", url: "u", dataDir: "d", developmentApp: undefined })).not.toContain("curl");
});

test("the lines to paste are good shell", () => {
  const lines = tryLines("http://127.0.0.1:9", "app1", "pc_key");
  execFileSync("sh", ["-n"], { input: lines.join("\n") });
  expect(lines.join("\n")).not.toContain("!");
});
