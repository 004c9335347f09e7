import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { user } from "@parley/client";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Cast, gatherCast } from "../support/cast.js";
import { type Block, blocksOf, readDocument } from "../support/document.js";
import { eventually, startTestServer, type TestServer } from "../support/index.js";
import { must, textOf } from "../support/messaging.js";
import { runBlock } from "../support/snippets.js";
import { mainFile } from "./process.js";
import { installed, python as pythonOfDebian, root, run, start, temporaryFolder } from "./programs.js";
import { generatePython, pythonInstalled } from "./python.js";

const readme = readDocument("README.md");
const blocks = blocksOf(readme);
const blockNamed = (name: string): Block => must(blocks.find((block) => block.name === name));

const python = "Python, and any other language";

describe("the blocks of the README", () => {
  let server: TestServer;
  let cast: Cast;
  const shown: unknown[] = [];
  beforeAll(async () => {
    server = await startTestServer();
    cast = await gatherCast(server);
  });
  afterAll(async () => {
    await cast.close();
    await server.close();
  });

  /** A block as it is for this server. */
  const here = ({ code }: Block) => code.replaceAll("http://127.0.0.1:7777", server.url);

  async function runHere(name: string): Promise<void> {
    const { appId, clientKey, serviceKey } = cast.app;
    const given = { appId, clientKey, serviceKey, console: { log: (value: unknown) => void shown.push(value) } };
    await runBlock(blockNamed(name), { url: server.url, given, onClient: cast.adopt });
  }

  test("are those that are tried here", () => {
    const names = ["Run it", "curl", "SDK", "Service to service", python, `${python} 2`, "Operate"];
    expect(blocks.map(({ name }) => name)).toEqual(names);
  });

  test("Run it: names scripts that are there", () => {
    const { scripts } = JSON.parse(readDocument("package.json")) as { scripts: object };
    const named = [...readme.matchAll(/npm (?:run )?(start|test|[a-z]+:[a-z]+)/g)].map(([, name]) => name);
    expect(named).toEqual(expect.arrayContaining(["start", "test"]));
    for (const name of named) expect(scripts).toHaveProperty([must(name)]);
  });

  test.skipIf(!installed("the README's curl", ["curl"]))("curl: two users talk", async () => {
    const { appId, clientKey } = cast.app;
    const shell = await run("bash", [], { input: `APP=${appId}\nKEY=${clientKey}\n${here(blockNamed("curl"))}` });
    expect(shell).toMatchObject({ code: 0, stderr: "" });
    const answers = shell.stdout.toString().trim().split("\n");
    expect(answers.map((line) => JSON.parse(line))).toMatchObject([
      { friend: { userId: "Jerry" } },
      { message: { seq: 1, content: { text: { text: "Hi!" } } } },
      { messages: [{ seq: 1, sender: { userId: "Tom" } }] },
    ]);
  });

  test("SDK: sends, and goes away in good order", async () => {
    const before = (await cast.jerry.history.list(user("Tom"))).headSeq;
    await runHere("SDK");
    expect(shown.splice(0)).toEqual([before + 1]);
    expect((await cast.jerry.history.list(user("Tom"))).messages.map(textOf).at(-1)).toBe("Hi!");
  });

  test("Service to service: sends for a user, and as the system", async () => {
    const heard: string[] = [];
    cast.jerry.on("systemMessage", (message) => void heard.push(textOf(message)));
    await runHere("Service to service");
    expect((await cast.jerry.history.list(user("Tom"))).messages.map(textOf).at(-1)).toBe("from the backend");
    await eventually(() => expect(heard).toEqual(["We are open"]));
  });

  test.skipIf(!pythonInstalled)("Python: code is made and hears what is said", async () => {
    const folder = temporaryFolder();
    const { url, appId, clientKey } = cast.app;
    const program = blockNamed(`${python} 2`).code.replace("127.0.0.1:7777", new URL(url).host);
    const keys = `APP, KEY = ${JSON.stringify(appId)}, ${JSON.stringify(clientKey)}\n`;
    writeFileSync(join(folder, "chat.py"), keys + program);
    const lines = here(blockNamed(python)).replace("/path/to/parley", root);
    const shell = start("bash", ["-ec", lines], { cwd: folder, env: { PYTHONUNBUFFERED: "1" } });
    await eventually(async () => {
      await cast.jerry.messages.send(user("Tom"), { text: "Hello, snake" }).stored;
      if (!shell.text().includes("Hello, snake")) throw new Error(`it printed: ${shell.text()}${shell.stderr()}`);
    }, 30_000);
    await shell.stop();
  });

  test.skipIf(!pythonInstalled)("Python, as docs/clients.md has it: sends, and hears what is said", async () => {
    const { url, appId, clientKey } = cast.app;
    const folder = await generatePython(url);
    const { code } = must(blocksOf(readDocument("docs/clients.md")).find(({ language }) => language === "python"));
    const given = { "127.0.0.1:7777": new URL(url).host, APP_ID: appId, CLIENT_KEY: clientKey };
    writeFileSync(
      join(folder, "example.py"),
      Object.entries(given).reduce((all, [of, by]) => all.replace(of, by), code),
    );
    const env = { PYTHONPATH: [folder, join(root, "test/conformance/python")].join(":"), PYTHONUNBUFFERED: "1" };
    const program = start(pythonOfDebian, ["example.py"], { cwd: folder, env });
    await eventually(async () => {
      await cast.jerry.messages.send(user("Tom"), { text: "Hello, example" }).stored;
      if (!program.text().includes("Hello, example"))
        throw new Error(`it printed: ${program.text()}${program.stderr()}`);
    }, 30_000);
    await program.stop();
    expect((await cast.jerry.history.list(user("Tom"), { pageSize: 100 })).messages.map(textOf)).toContain(
      "Hello Jerry",
    );
  });

  test("Operate: backs up, restores and examines", async () => {
    const folder = temporaryFolder();
    const own = await startTestServer();
    const command = `npx() { shift; "${process.execPath}" "${mainFile}" "$@" --data-dir "${own.dataDir}"; }\n`;
    const [backup = "", ...rest] = blockNamed("Operate").code.replaceAll("/mnt/backup", folder).trim().split("\n");
    expect(await run("bash", ["-ec", command + backup])).toMatchObject({ code: 0, stderr: "" });
    await own.running.close();
    expect(await run("bash", ["-ec", command + rest.join("\n")])).toMatchObject({ code: 0, stderr: "" });
    expect(readFileSync(join(folder, "parley.db")).subarray(0, 15).toString()).toBe("SQLite format 3");
    await own.close();
  });
});
