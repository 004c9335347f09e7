// Compares proto/ with the last release tag. Dependency protos are generated, so the old tree gets today's.
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { root, run } from "./run.mjs";

function isCompatibleWith(tag) {
  const old = mkdtempSync(join(tmpdir(), "parley-breaking-"));
  const archive = join(old, "tree.tar");
  const image = join(old, "image.binpb");
  try {
    cpSync(join(root, ".proto-deps"), join(old, ".proto-deps"), { recursive: true });
    return (
      run("git", ["archive", "-o", archive, tag, "proto", "buf.yaml"]).ok &&
      run("tar", ["-xf", archive, "-C", old]).ok &&
      run("buf", ["build", "proto", "-o", image], { cwd: old }).ok &&
      run("buf", ["breaking", "proto", "--against", image]).ok
    );
  } finally {
    rmSync(old, { recursive: true, force: true });
  }
}

const described = run("git", ["describe", "--tags", "--abbrev=0"], { stdio: "pipe" });
if (!described.ok) console.log("no tag yet");
else if (!isCompatibleWith(described.stdout.trim())) process.exitCode = 1;
