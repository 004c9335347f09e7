// Generates into a temporary folder and compares with the committed gen/src.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "./run.mjs";

const fresh = mkdtempSync(join(tmpdir(), "parley-generated-"));
try {
  const same =
    run("buf", ["generate", "-o", fresh]).ok && run("diff", ["-r", "--brief", "gen/src", join(fresh, "gen/src")]).ok;
  if (!same) {
    console.log("gen/src is not what proto/ generates: run `npm run generate`");
    process.exitCode = 1;
  }
} finally {
  rmSync(fresh, { recursive: true, force: true });
}
