// `npm start -- ARGS`: builds what is stale, then runs `parley serve ARGS`. Only the server writes to stdout.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { constants } from "node:os";
import { join } from "node:path";
import { root, run } from "./run.mjs";

function build(command, ...args) {
  const { ok, stdout, stderr } = run(command, args, { stdio: "pipe" });
  if (!ok) process.stderr.write(`${stdout}${stderr}`);
  return ok;
}

function serve(args) {
  const server = spawn(process.execPath, [main, "serve", ...args], { stdio: "inherit" });
  for (const signal of ["SIGINT", "SIGTERM"]) {
    process.on(signal, () => {
      // Ctrl-C in a terminal reaches the whole process group, the server included.
      if (signal === "SIGINT" && process.stdin.isTTY) return;
      server.kill(signal);
    });
  }
  server.on("exit", (code, signal) => {
    process.exitCode = code ?? 128 + constants.signals[signal];
  });
}

const main = join(root, "server/dist/main.js");
if (!existsSync(main)) process.stderr.write("building, which takes a minute the first time\n");
if (build("tsc", "-b", "server", "client") && build(process.execPath, "scripts/build-web.mjs"))
  serve(process.argv.slice(2));
else process.exitCode = 1;
