import { spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdtempSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build, type Rolldown } from "vite";
import { TIER_2 } from "./proofs/tier.js";
import { TEMP_PARENT } from "./temp-parent.js";

/*
 * The built server with its dependencies in one script, beside the code that V8 made of it. A start of what is shipped reads and compiles 1,400 files, which
 * takes twice the work of all else that it does, and the suites start more than a hundred servers in processes of their own. In the second tier, and
 * wherever the start itself is tested, they start what is shipped.
 */
const root = fileURLToPath(new URL("../../", import.meta.url));
// Beside dist, because the server finds its package.json and the web client from where its code is.
const folder = join(root, "server/.one-file");

const MADE_OF = ["server/dist", "gen/dist", "package-lock.json", "test/support/one-file.ts", "test/support/one-file"];

/** The program that suites start as `parley`. */
export const parleyMain: string = join(root, TIER_2 ? "server/bin/parley.js" : "server/.one-file/main.cjs");
/** What programs of suites import as `@parley/server`. */
export const serverModule: string = TIER_2 ? "@parley/server" : join(folder, "index.js");

/** Before all suites: makes the files anew when the build has changed. */
export default async function makeOneFile(): Promise<void> {
  if (TIER_2 || newest(folder) > Math.max(...MADE_OF.map((path) => newest(join(root, path))))) return;
  const made = `${folder}-${process.pid}`;
  cpSync(join(import.meta.dirname, "one-file"), made, { recursive: true });
  const entry = join(made, "entry.js");
  writeFileSync(entry, `export * from "../dist/index.js";\nexport { program } from "../dist/cli/program.js";\n`);
  // A script that is run by code which was kept cannot import.
  const script = { format: "cjs", codeSplitting: false, dynamicImportInCjs: false } as const;
  await bundle(made, entry, { ...script, entryFileNames: "server.cjs" });
  // The worker is started by its name.
  await bundle(made, join(root, "server/dist/ops/read-p12-worker.js"), { entryFileNames: "[name].js" });
  await keepCode(made);
  rmSync(folder, { recursive: true, force: true });
  renameSync(made, folder);
}

/** Starts a server once, so that what a start needs is compiled. */
async function keepCode(made: string): Promise<void> {
  const dataDir = mkdtempSync(join(TEMP_PARENT, "parley-test-"));
  const args = ["serve", "--port", "0", "--data-dir", dataDir, "--json-ready"];
  const child = spawn(process.execPath, [join(made, "keep-code.cjs"), ...args], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { PATH: process.env.PATH, PARLEY_LOG_LEVEL: "error" },
  });
  const exited = once(child, "exit");
  const early = exited.then(([code]) => Promise.reject(new Error(`the built server ended with ${String(code)}`)));
  await Promise.race([once(child.stdout, "data"), early]);
  early.catch(() => undefined);
  child.kill("SIGTERM");
  await exited;
  rmSync(dataDir, { recursive: true, force: true });
}

async function bundle(outDir: string, input: string, output: Rolldown.OutputOptions): Promise<void> {
  await build({
    configFile: false,
    logLevel: "error",
    root: join(root, "server"),
    // What has a part in machine code finds it from where it is.
    ssr: { noExternal: true, external: ["@node-rs/argon2", "better-sqlite3", "pg", "sharp"] },
    build: { ssr: true, outDir, emptyOutDir: false, minify: false, rolldownOptions: { input, output } },
  });
}

/** When a file of a folder was last written. */
function newest(path: string): number {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (!stat?.isDirectory()) return stat?.mtimeMs ?? 0;
  return Math.max(0, ...readdirSync(path).map((name) => newest(join(path, name))));
}
