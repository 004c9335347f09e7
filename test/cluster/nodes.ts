import { copyFileSync, mkdtempSync } from "node:fs";
import { join } from "node:path";
import { databaseOf } from "../support/database.js";
import { startTestServer, type TestServer, type TestServerOptions } from "../support/server.js";
import { TEMP_PARENT } from "../support/temp-parent.js";

/** What nodes that share a database must have alike. */
export const SHARED_FILES = ["secret-key", "operator-token", "development-app.json"];

/** Starts servers in this process that share one database. The first one's options may differ. */
export async function startNodes(
  count: number,
  options: TestServerOptions = {},
  first: TestServerOptions = options,
): Promise<TestServer[]> {
  const one = await startTestServer(first);
  const databaseUrl = await databaseOf(one.dataDir);
  const nodes = [one];
  while (nodes.length < count) {
    const dataDir = mkdtempSync(join(TEMP_PARENT, "parley-test-"));
    for (const file of SHARED_FILES) copyFileSync(join(one.dataDir, file), join(dataDir, file));
    nodes.push(await startTestServer({ ...options, settings: { ...options.settings, dataDir, databaseUrl } }));
  }
  return nodes;
}

/** Stops them, the one that the database belongs to last. */
export async function closeNodes(nodes: readonly TestServer[]): Promise<void> {
  for (const node of [...nodes].reverse()) await node.close();
}
