import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { findStaticFile, isFresh, loadStaticFiles, type StaticFiles } from "./static-files.js";

const dir = mkdtempSync(join(tmpdir(), "parley-static-"));
let files: StaticFiles;

beforeAll(async () => {
  mkdirSync(join(dir, "assets"));
  mkdirSync(join(dir, "console"));
  writeFileSync(join(dir, "index.html"), "<!doctype html>");
  writeFileSync(join(dir, "console/index.html"), "<!doctype html>");
  writeFileSync(join(dir, "assets/app-B1gHash9.js"), "1");
  writeFileSync(join(dir, "sw.js"), "1");
  writeFileSync(join(dir, ".env"), "secret");
  symlinkSync("/etc/passwd", join(dir, "passwd"));
  files = await loadStaticFiles(dir);
});
afterAll(() => rmSync(dir, { recursive: true }));

describe("loadStaticFiles", () => {
  test("knows the files by request path, an index also by its folder, no dotfile and no link", () => {
    expect([...files.keys()].sort()).toEqual(
      ["/", "/index.html", "/console/", "/console/index.html", "/assets/app-B1gHash9.js", "/sw.js"].sort(),
    );
  });

  test("only names with a hash are cached for ever", () => {
    expect(files.get("/assets/app-B1gHash9.js")?.headers["cache-control"]).toContain("immutable");
    for (const path of ["/", "/sw.js"]) expect(files.get(path)?.headers["cache-control"]).toBe("no-cache");
  });

  test("a page forbids foreign scripts, frames and sniffing", () => {
    expect(files.get("/")?.headers).toMatchObject({
      "content-type": "text/html; charset=utf-8",
      "content-security-policy": expect.stringMatching(/^default-src 'self';.*frame-ancestors 'none'/),
      "referrer-policy": "no-referrer",
      "x-content-type-options": "nosniff",
    });
  });

  test("a page may reach one origin elsewhere, for bytes and never for scripts", async () => {
    const policy = (of: StaticFiles) => of.get("/")?.headers["content-security-policy"] ?? "";
    const elsewhere = await loadStaticFiles(dir, "https://files.example.org");
    expect(
      policy(elsewhere)
        .split("; ")
        .filter((rule) => rule.includes("example.org")),
    ).toEqual([
      "connect-src 'self' https://files.example.org",
      "img-src 'self' https://files.example.org blob: data:",
      "media-src 'self' https://files.example.org blob:",
    ]);
    expect(policy(files)).not.toContain("http");
  });

  test("a missing folder is an empty site", async () => {
    expect((await loadStaticFiles(join(dir, "absent"))).size).toBe(0);
  });

  test("the folder of an index is found without its slash, other folders and files with one are not", () => {
    expect(findStaticFile(files, "/console")).toBeDefined();
    expect(findStaticFile(files, "/assets")).toBeUndefined();
    expect(findStaticFile(files, "/sw.js/")).toBeUndefined();
  });
});

describe("isFresh", () => {
  const at = Date.parse("2026-01-02T03:04:05Z");
  const date = (ms: number) => new Date(ms).toUTCString();

  test.each([
    [{ "if-none-match": '"a"' }, true],
    [{ "if-none-match": '"x", W/"a"' }, true],
    [{ "if-none-match": "*" }, true],
    [{ "if-none-match": '"x"' }, false],
    [{ "if-none-match": '"x"', "if-modified-since": date(at) }, false],
    [{ "if-modified-since": date(at) }, true],
    [{ "if-modified-since": date(at - 1000) }, false],
    [{ "if-modified-since": "yesterday" }, false],
    [{}, false],
  ])("%j: %s", (headers, fresh) => expect(isFresh(headers, '"a"', at)).toBe(fresh));
});
