import { join } from "node:path";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { Seed } from "../contestant.js";
import { transpilePeers } from "../peers/transpile.js";
import { type ReadyLine, startServer } from "../server-process.js";
import { inTurn } from "../stage.js";
import { adminOf, dataFolder } from "./parley-server.js";

/** What one call of ImportMessages takes. */
const importedAtOnce = 500;

/** Fills a store by ImportMessages, as a backend that moves to Parley does. */
export async function seedParley(dataDir: string, seed: Seed): Promise<void> {
  transpilePeers(dataDir);
  const env = { PARLEY_DATA_DIR: dataFolder(dataDir) };
  const server = await startServer({ script: join(dataDir, "parley-unbounded.js"), args: [], env });
  try {
    await Promise.race([importAll(server.ready, seed), server.died]);
  } finally {
    await server.stop();
  }
}

async function importAll(server: ReadyLine, { users, stored, timeOf, text, progress }: Seed): Promise<void> {
  const admin = adminOf(server);
  const [firstUserId, secondUserId] = users;
  await admin.batchUpsertUsers({ users: users.map((userId) => ({ userId })) });
  const pair = { case: "users", value: { firstUserId, secondUserId } } as const;
  const content = { content: { case: "text", value: { text } } } as const;
  const batches = Array.from({ length: Math.ceil(stored / importedAtOnce) }, (_, at) => at * importedAtOnce);
  await inTurn(
    batches.map((first) => async () => {
      const messages = Array.from({ length: Math.min(importedAtOnce, stored - first) }, (_, at) => ({
        senderUserId: users[(first + at) % 2] ?? firstUserId,
        content,
        createTime: timestampFromMs(timeOf(first + at + 1)),
        clientMessageId: `seed-${first + at + 1}`,
      }));
      await admin.importMessages({ conversation: pair, messages });
      progress(first + messages.length);
    }),
    1,
  );
}
