// Runs the tools of this checkout, whether or not npm has put them on the path.
import { spawnSync } from "node:child_process";
import { delimiter, join } from "node:path";

export const root = join(import.meta.dirname, "..");

const env = { ...process.env, PATH: [join(root, "node_modules/.bin"), process.env.PATH].join(delimiter) };

/** Runs to the end. The result has `ok`, and the output as text where `stdio` pipes it. */
export function run(command, args, options = {}) {
  const result = spawnSync(command, args, { cwd: root, env, stdio: "inherit", encoding: "utf8", ...options });
  if (result.error) console.error(`${command}: ${result.error.message}`);
  return { ...result, ok: result.status === 0 };
}
