import { checkAttachments } from "./check-attachments.js";
import { type CheckOptions, checkDatabase, type Finding, messageOf, type Tell, tellOfBucket } from "./check-folder.js";
import { checkServer } from "./postgres-checks.js";
import { kyselyOverPool } from "./postgres-pool.js";
import { snapshot } from "./snapshot.js";

/** Looks at a PostgreSQL database and all that is stored in it, and changes nothing. */
export async function checkPostgres(url: string, options: CheckOptions): Promise<Finding[]> {
  const findings: Finding[] = [];
  const tell: Tell = (check, state, text) => void findings.push({ check, state, text });
  const db = kyselyOverPool({ url, connections: 1, statementMs: 0, lockMs: 0, idleMs: 0 });
  try {
    await checkServer(db, "", false).then(
      () => tell("server", "ok", "its settings keep what was acknowledged"),
      (error: unknown) => tell("server", "problem", messageOf(error)),
    );
    await snapshot(db, async (at) => {
      await checkDatabase(at, options, tell);
      if (!options.quick)
        await checkAttachments(at, options.blobs, tell).catch((error: unknown) => tellOfBucket(error, tell));
    });
  } catch (error) {
    tell("database", "problem", `it cannot be read: ${messageOf(error)}`);
  } finally {
    await db.destroy();
  }
  return findings;
}
