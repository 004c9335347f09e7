import { readFileSync } from "node:fs";
import { Command } from "commander";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { EXIT } from "./cli/failure.js";

describe("the command line", () => {
  let commands: Command[];
  const pathOf = (command: Command): string =>
    command.parent === null ? command.name() : `${pathOf(command.parent)} ${command.name()}`;

  beforeAll(async () => {
    const parse = vi.spyOn(Command.prototype, "parseAsync").mockImplementation(async function (this: Command) {
      return this;
    });
    await import("./main.js");
    commands = withAllBelow(parse.mock.contexts[0] as Command);
  });
  afterAll(() => vi.restoreAllMocks());

  /** A command with those under it, without `help`. */
  const withAllBelow = (command: Command): Command[] => [command, ...command.commands.flatMap(withAllBelow)];

  /** What `--help` prints. */
  function helpOf(command: Command): string {
    let text = "";
    const writeOut = (part: string) => {
      text += part;
    };
    command.configureOutput({ writeOut }).outputHelp();
    return text;
  }

  test("says of each command, argument and option what it is", () => {
    expect(commands.length).toBeGreaterThan(8);
    for (const command of commands) {
      const parts = [command, ...command.registeredArguments, ...command.options];
      const silent = parts.filter((part) => (part instanceof Command ? part.description() : part.description) === "");
      expect([pathOf(command), silent]).toEqual([pathOf(command), []]);
    }
  });

  test("shows for each command how it is called, in lines that it takes itself", () => {
    // Those of a command that only holds others are theirs.
    for (const command of commands.filter((each) => each === commands[0] || each.commands.length === 0)) {
      const [, shown = ""] = /\nExamples:\n((?: {2}\$ .+\n)+)/.exec(helpOf(command)) ?? [];
      // A variable may be set before a command, and what it needs be made in a line of its own.
      const calls = [...shown.matchAll(/[ $](parley .*)$/gm)].map(([, call = ""]) => call);
      expect([pathOf(command), calls.filter((call) => `${call} `.startsWith(`${pathOf(command)} `))]).not.toEqual([
        pathOf(command),
        [],
      ]);
      expect(calls.flatMap(unknownIn)).toEqual([]);
    }
  });

  /** The commands and options that an example names and that are not there. */
  function unknownIn(line: string): string[] {
    let at = commands[0] as Command;
    const words = line.split(" ").slice(1);
    while (words[0] !== undefined && at.commands.length > 0) {
      const next = at.commands.find((command) => command.name() === words[0]);
      if (next === undefined) return [words[0]];
      at = next;
      words.shift();
    }
    const options = words.filter((word) => word.startsWith("--")).map((word) => word.replace(/=.*/, ""));
    return options.filter((option) => !at.options.some(({ long }) => long === option));
  }

  test("lists what it can do in groups", () => {
    const help = helpOf(commands[0] as Command);
    expect(help).toMatch(/\nRun a server and look after it:\n {2}serve .*\n[\s\S]+\nAsk a running server:\n {2}app /);
    expect(help).not.toContain("\nCommands:\n");
  });

  test("guesses what was meant", async () => {
    vi.restoreAllMocks();
    const said: string[] = [];
    for (const line of ["serv", "serve --prot 1", "app creat x", "chat --usr Tom"]) {
      for (const command of commands) command.exitOverride().configureOutput({ writeErr: (text) => said.push(text) });
      await expect((commands[0] as Command).parseAsync(line.split(" "), { from: "user" })).rejects.toThrow();
    }
    expect(said.map((text) => /Did you mean (\S+)\?/.exec(text)?.[1])).toEqual(["serve", "--port", "create", "--user"]);
  });

  test("ends with the codes that docs/operations.md explains", () => {
    const text = readFileSync(new URL("../../docs/operations.md", import.meta.url), "utf8");
    const codes = [...text.matchAll(/^\| (\d+) \|/gm)].map(([, code]) => Number(code));
    expect(codes).toEqual([0, ...Object.values(EXIT)]);
  });
});
