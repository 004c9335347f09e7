import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";

const folders = "/usr/lib/postgresql";

/** Where Debian's PostgreSQL has its programs; undefined when it is not installed. */
export function postgresBin(): string | undefined {
  const versions = existsSync(folders) ? readdirSync(folders) : [];
  return versions.map((version) => join(folders, version, "bin")).find((bin) => existsSync(join(bin, "initdb")));
}
