import { Code, ConnectError } from "@connectrpc/connect";
import { expect, test } from "vitest";
import { captureOutput } from "../../../test/support/said.js";
import { type Answer, answer } from "./answer.js";
import { CommandFailure, EXIT } from "./failure.js";

const output = captureOutput();
const url = "http://127.0.0.1:1";
const say = (said: Answer | Answer[], json?: boolean) =>
  answer({ url, ...(json === undefined ? {} : { json }) }, "nothing at all", async () => said);

test("one thing is a line for each value that there is, names in a column", async () => {
  await say({ app_id: "a1", "a name longer than others": 5, none: undefined, on: false });
  expect(output.said.stdout).toBe(
    "app_id                    a1\na name longer than others 5\non                        false\n",
  );
});

test("several are a line each; none is told in words", async () => {
  await say([
    { app_id: "a1", name: "one" },
    { app_id: "a2", name: "two" },
  ]);
  await say([]);
  expect(output.said.stdout).toBe("a1  one\na2  two\nnothing at all\n");
});

test("in JSON everything is one line of it", async () => {
  await say([{ app_id: "a1", name: "one\ntwo" }], true);
  await say([], true);
  expect(output.said.stdout).toBe('[{"app_id":"a1","name":"one\\ntwo"}]\n[]\n');
});

test("what fails is one line on stderr and an exit code", async () => {
  const failures: [unknown, string, number][] = [
    [new ConnectError("this name is taken", Code.AlreadyExists), "this name is taken", EXIT.failure],
    [
      new ConnectError("fetch failed", Code.Unavailable, undefined, undefined, new Error("ECONNREFUSED")),
      `no server answers at ${url} (start one with: parley serve)`,
      EXIT.unavailable,
    ],
    [new CommandFailure("which app?", EXIT.setting), "which app?", EXIT.setting],
  ];
  for (const [error, words, code] of failures) {
    output.said.stderr = "";
    await answer({ url }, "", () => Promise.reject(error));
    expect([output.said, process.exitCode]).toEqual([{ stdout: "", stderr: `parley: ${words}\n` }, code]);
  }
});
