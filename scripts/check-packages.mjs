// Packs what we publish and checks each tarball: manifest and files (publint), types under ESM resolution (attw).
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { root, run } from "./run.mjs";

function passes(command, ...args) {
  const { ok, stdout, stderr } = run(command, args, { stdio: "pipe" });
  console.log(ok ? "ok    " : "FAILED", command, ...args);
  if (!ok) console.log(stdout, stderr);
  return ok;
}

function packageIsGood(name) {
  const out = mkdtempSync(join(tmpdir(), "parley-package-"));
  try {
    if (!passes("npm", "pack", "--workspace", name, "--pack-destination", out)) return false;
    const tarballs = readdirSync(out).map((file) => join(out, file));
    const results = tarballs.flatMap((tarball) => [
      passes("publint", tarball, "--strict"),
      passes("attw", tarball, "--profile", "esm-only"),
    ]);
    return !results.includes(false);
  } finally {
    rmSync(out, { recursive: true, force: true });
  }
}

const entries = { gen: "gen/dist/parley", client: "client/dist/index.js" };
const built = Object.keys(entries).filter((name) => existsSync(join(root, entries[name])));
if (built.map(packageIsGood).includes(false)) process.exitCode = 1;
