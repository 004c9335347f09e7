import { readdirSync, renameSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "vite";
import { TIER_2 } from "./proofs/tier.js";

/*
 * The built server with its dependencies in a few files. A start of what is shipped reads 1,400 files, which takes twice the time of all else that it
 * does, and the suites start a hundred servers in processes of their own. In the second tier, and wherever the start itself is tested, they start what is shipped.
 */
const root = fileURLToPath(new URL("../../", import.meta.url));
// Beside dist, because the server finds its package.json and the web client from where its code is.
const folder = join(root, "server/.one-file");

/** The program that suites start as `parley`. */
export const parleyMain: string = join(root, TIER_2 ? "server/bin/parley.js" : "server/.one-file/main.js");
/** What programs of suites import as `@parley/server`. */
export const serverModule: string = TIER_2 ? "@parley/server" : join(folder, "index.js");

/** Before all suites: makes the files anew when the build has changed. */
export default async function makeOneFile(): Promise<void> {
  if (
    TIER_2 ||
    newest(folder) >
      Math.max(...["server/dist", "gen/dist", "package-lock.json"].map((path) => newest(join(root, path))))
  )
    return;
  const made = `${folder}-${process.pid}`;
  const dist = join(root, "server/dist");
  await build({
    configFile: false,
    logLevel: "error",
    root: join(root, "server"),
    // What has a part in machine code finds it from where it is.
    ssr: { noExternal: true, external: ["@node-rs/argon2", "better-sqlite3", "pg", "sharp"] },
    build: {
      ssr: true,
      outDir: made,
      minify: false,
      rolldownOptions: {
        // The worker is started by its name.
        input: {
          main: join(dist, "main.js"),
          index: join(dist, "index.js"),
          "read-p12-worker": join(dist, "ops/read-p12-worker.js"),
        },
        output: { entryFileNames: "[name].js", chunkFileNames: "[name]-[hash].js" },
      },
    },
  });
  rmSync(folder, { recursive: true, force: true });
  renameSync(made, folder);
}

/** When a file of a folder was last written. */
function newest(path: string): number {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (!stat?.isDirectory()) return stat?.mtimeMs ?? 0;
  return Math.max(0, ...readdirSync(path).map((name) => newest(join(path, name))));
}
