import type { Client } from "@connectrpc/connect";
import type { AdminService } from "@parley/proto/parley/v1/admin_service_pb.js";
import { ImportedUserSchema } from "@parley/proto/parley/v1/user_import_pb.js";
import type { Answer } from "./answer.js";
import { batchesOf } from "./batches.js";
import { CommandFailure, EXIT } from "./failure.js";
import { readLines } from "./lines.js";
import { showProgress } from "./progress.js";

/** Brings in the users of a file. Those that fail are told by their lines, and the others come in; running it again repeats nothing. */
export async function importUsers(admin: Client<typeof AdminService>, file: string): Promise<Answer> {
  const said = { users: 0, created: 0, friends_added: 0, failed: 0 };
  const progress = showProgress("imported");
  try {
    const lines = readLines(file, ImportedUserSchema);
    for await (const batch of batchesOf(lines, { itemsOf: () => 1, together: () => true })) {
      if (progress.signal.aborted) throw brokenOff(batch[0]?.number ?? 0);
      const { results } = await admin.importUsers({ users: batch.map(({ value }) => value) });
      for (const [at, { created, friendsAdded, error }] of results.entries()) {
        said.users += 1;
        said.created += created ? 1 : 0;
        said.friends_added += friendsAdded;
        if (error === undefined) continue;
        said.failed += 1;
        const field = error.detail?.field.replace(/^users\[\d+\]\.?/, "") ?? "";
        process.stderr.write(`${file}:${batch[at]?.number}: ${error.code} ${field} ${error.message}\n`);
      }
      progress.onProgress(batch.at(-1)?.share ?? 1);
    }
  } finally {
    progress.end();
  }
  if (said.failed > 0) process.exitCode = EXIT.failure;
  return said;
}

/** What is said when Ctrl-C comes between two calls. */
export function brokenOff(line: number): CommandFailure {
  return new CommandFailure(`broken off before line ${line}; run it again, what is there is passed over`);
}
