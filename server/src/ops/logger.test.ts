import { describe, expect, test } from "vitest";
import { createLogger, type LogLevel } from "./logger.js";

function logged(level: LogLevel) {
  const lines: Record<string, unknown>[] = [];
  const log = createLogger(level, { write: (line) => void lines.push(JSON.parse(line)) });
  return { log, lines };
}

describe("createLogger", () => {
  test("writes one JSON object a line with a level name and an ISO time", () => {
    const { log, lines } = logged("info");
    log.info({ port: 7777 }, "listening");
    expect(lines).toEqual([
      { level: "info", time: expect.stringMatching(/^\d{4}-.*Z$/), pid: process.pid, port: 7777, msg: "listening" },
    ]);
  });

  test("drops what is below the level", () => {
    const { log, lines } = logged("warn");
    log.info("not me");
    log.warn("me");
    expect(lines.map((line) => line.msg)).toEqual(["me"]);
  });

  test("a child carries its fields", () => {
    const { log, lines } = logged("info");
    log.child({ room: "push" }).info("started");
    expect(lines[0]).toMatchObject({ room: "push", msg: "started" });
  });

  test("secrets are redacted at every depth in use, in both spellings, in children too", () => {
    const { log, lines } = logged("info");
    log.info({ password: "hunter2", request: { session_token: "hunter2", headers: { authorization: "hunter2" } } });
    log.child({ credential: { keyP8: "hunter2" } }).info("x");
    expect(JSON.stringify(lines)).not.toContain("hunter2");
    expect(lines[0]).toMatchObject({ password: "[redacted]" });
  });

  test("an error keeps its stack and its cause", () => {
    const { log, lines } = logged("info");
    log.error({ err: new Error("outer", { cause: new Error("inner") }) }, "failed");
    expect(JSON.stringify(lines[0]?.err)).toMatch(/outer.*inner/);
  });
});
