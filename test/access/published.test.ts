import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { buildPage } from "../browser/support/suite.js";
import { figure } from "../support/proofs/figure.js";

const root = fileURLToPath(new URL("../../", import.meta.url));

/** What must stand in nothing that leaves this machine. */
const SECRETS: readonly [string, RegExp][] = [
  ["a private key", /-----BEGIN [A-Z ]*PRIVATE KEY-----/],
  ["a service key", /\bpk_[\w-]{20,}/],
  ["a session token", /\bps_[\w-]{20,}/],
  ["a client key", /\bpc_[\w-]{20,}/],
  ["a signed token", /\beyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]{10,}/],
  ["a folder of this machine", new RegExp(root.replace(/\/$/, "").replace(/[.*+?^${}()|[\]\\]/g, "\\$&"))],
];

/** The secrets found in files of a folder, as `file: what`. */
function secretsIn(folder: string, files: readonly string[]): string[] {
  return files.flatMap((file) => {
    const text = readFileSync(`${folder}/${file}`, "utf8");
    return SECRETS.filter(([, pattern]) => pattern.test(text)).map(([what]) => `${file}: ${what}`);
  });
}

describe("A18: what leaves the server and the checkout", () => {
  test("the page as it is served: no secret, no source map, nothing of the backend or of Node", async (context) => {
    await buildPage();
    const folder = `${root}web/dist`;
    const files = readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => `${entry.parentPath.slice(folder.length)}/${entry.name}`);
    expect(files.map((file) => file.replace(/-[\w-]{8}\./, "-HASH."))).toEqual(
      expect.arrayContaining(["/index.html", "/assets/index-HASH.js", "/assets/index-HASH.css"]),
    );
    expect(files.filter((file) => !/\.(html|js|css|svg)$/.test(file))).toEqual([]);
    expect(secretsIn(folder, files)).toEqual([]);
    const code = files.map((file) => readFileSync(folder + file, "utf8")).join("\n");
    expect(code).not.toMatch(/sourceMappingURL|parley-acting-user|["']node:/);
    figure(context, `${files.length} files of the page, ${Math.round(code.length / 1024)} KiB: 0 secrets`);
  });

  test.each(["gen", "client", "server"])("the package %s as it is published: no secret and no test", (name) => {
    const packed = spawnSync("npm", ["pack", "--dry-run", "--json", "--ignore-scripts", "-w", name], {
      cwd: root,
      encoding: "utf8",
    });
    const [{ files }] = JSON.parse(packed.stdout) as [{ files: { path: string }[] }];
    const paths = files.map(({ path }) => path);
    expect(paths.length).toBeGreaterThan(20);
    expect(paths.filter((path) => /\.test\.|testing\/|\.env|\.db$|tsbuildinfo/.test(path))).toEqual([]);
    expect(secretsIn(`${root}${name}`, paths)).toEqual([]);
  });
});
