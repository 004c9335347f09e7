import { cpSync, mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { output, root, temporaryFolder } from "./programs.js";

/** A folder with the protos that ours import, made by the project's own script; `.proto-deps` need not exist. */
export async function exportProtos(): Promise<string> {
  const folder = temporaryFolder();
  mkdirSync(join(folder, "scripts"));
  // The script writes beside the folder it lies in: the checkout is left alone.
  for (const script of ["export-protos.mjs", "print-proto.mjs"])
    cpSync(join(root, "scripts", script), join(folder, "scripts", script));
  symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
  await output(process.execPath, [join(folder, "scripts/export-protos.mjs")]);
  return join(folder, ".proto-deps");
}
