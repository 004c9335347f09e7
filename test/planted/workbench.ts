import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../", import.meta.url));
const PACKAGES = ["gen", "client", "server", "test"];
const SETTINGS = ["package.json", "tsconfig.base.json", "tsconfig.json", "vitest.config.ts"];

/** A copy of the sources that may be broken, with the dependencies of the original. */
export interface Workbench {
  /** Applies a patch, or takes it back. */
  apply(patch: string, how: "apply" | "take back"): void;
  build(): void;
  /** Runs test files and tells whether all their tests passed, and what was said. */
  test(files: readonly string[]): { passed: boolean; failures: number; said: string };
  close(): void;
}

/** Throws when a patch no longer fits the sources. */
export function checkPatch(patch: string): void {
  execFileSync("git", ["apply", "--check", patch], { cwd: root, stdio: "pipe" });
}

export function openWorkbench(): Workbench {
  const folder = mkdtempSync(join(tmpdir(), "parley-planted-"));
  for (const name of PACKAGES)
    cpSync(join(root, name), join(folder, name), {
      recursive: true,
      filter: (path) => !/^(\.work|screenshots)$/.test(basename(path)),
      verbatimSymlinks: true,
    });
  for (const name of SETTINGS) cpSync(join(root, name), join(folder, name));
  for (const name of ["proto", "web", "docs"]) symlinkSync(join(root, name), join(folder, name));
  linkDependencies(join(root, "node_modules"), join(folder, "node_modules"));

  const bin = (name: string) => join(root, "node_modules/.bin", name);
  return {
    apply(patch, how) {
      const reverse = how === "take back" ? ["--reverse"] : [];
      execFileSync("git", ["apply", ...reverse, patch], { cwd: folder, stdio: "pipe" });
    },
    build() {
      execFileSync(bin("tsc"), ["-b", "gen", "client", "server"], { cwd: folder, stdio: "pipe" });
    },
    test(files) {
      const env: NodeJS.ProcessEnv = { ...process.env, PARLEY_TEST_TIER: "1", NO_COLOR: "1" };
      delete env.PARLEY_PROOFS;
      const { status, stdout } = spawnSync(bin("vitest"), ["run", ...files], { cwd: folder, env, encoding: "utf8" });
      const [, failures = "0"] = /\d+ passed, (\d+) failed/.exec(stdout) ?? [];
      return { passed: status === 0, failures: Number(failures), said: stdout };
    },
    close: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** Every dependency as it is, but our own packages as they are in the copy. */
function linkDependencies(from: string, to: string): void {
  mkdirSync(join(to, "@parley"), { recursive: true });
  for (const name of readdirSync(from))
    if (name !== "@parley" && name !== ".vite") symlinkSync(join(from, name), join(to, name));
  const own = { proto: "gen", client: "client", server: "server" };
  for (const [name, folder] of Object.entries(own)) symlinkSync(join("../..", folder), join(to, "@parley", name));
}
