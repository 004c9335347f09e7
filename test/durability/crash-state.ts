import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { readSecretFile } from "../../server/src/domain/secret-file.js";
import { structureFaults } from "../../server/src/store/copy.js";
import { openSqlite } from "../../server/src/store/sqlite.js";
import type { Store } from "../../server/src/store/store.js";
import { tempFolder } from "../support/temp-store.js";
import type { Ack } from "./load.js";
import type { Files } from "./shim/disk-model.js";

/** What a store must hold in a data folder: the app that the server named when it was ready, and what was acknowledged. */
export interface Due {
  appId: string | undefined;
  acks: ReadonlyMap<string, Ack>;
}

/** Opens what a disk held after a crash as the next start does; gives how many acknowledgements it lost, and what else is wrong with it. */
export async function examine(files: Files, dataDir: string, due: Due): Promise<{ lost: number; wrong: string[] }> {
  using folder = tempFolder();
  for (const [path, bytes] of files) {
    mkdirSync(join(folder.path, dirname(path)), { recursive: true });
    writeFileSync(join(folder.path, path), bytes);
  }
  let store: Store;
  try {
    store = await openSqlite({ dataDir: join(folder.path, dataDir), busyTimeoutMs: 0 });
  } catch (error) {
    // What cannot be opened holds nothing.
    return { lost: due.acks.size, wrong: [`it does not open: ${String(error)}`] };
  }
  try {
    const wrong = [
      ...(await structureFaults(store.read, "full")),
      ...(await brokenLog(store)),
      ...(await brokenConversations(store)),
    ];
    const appLost = due.appId !== undefined && !(await keepsApp(store, join(folder.path, dataDir), due.appId));
    return { lost: (await countLost(store, due.acks)) + (appLost ? 1 : 0), wrong };
  } finally {
    await store.close();
  }
}

/** Positions are dense up to the counter. */
async function brokenLog({ read }: Store): Promise<string[]> {
  const wrong: string[] = [];
  for (const { app_id, pos } of await read.selectFrom("app_log").select(["app_id", "pos"]).execute()) {
    const events = await read.selectFrom("event").select("pos").where("app_id", "=", app_id).orderBy("pos").execute();
    if (events.length !== pos || events.some((event, at) => event.pos !== at + 1))
      wrong.push(`the log of ${app_id} has ${events.length} events and its counter says ${pos}`);
  }
  return wrong;
}

/** Seqs are dense, in the order of positions that are in the log, and no message is there twice. */
async function brokenConversations({ read }: Store): Promise<string[]> {
  const wrong: string[] = [];
  const ids = new Set<string>();
  const keys = new Set<string>();
  const messages = await read
    .selectFrom("message")
    .leftJoin("event", (join) =>
      join.onRef("event.app_id", "=", "message.app_id").onRef("event.pos", "=", "message.pos"),
    )
    .select(["conversation_id", "seq", "message.pos", "message_id", "sender", "client_message_id", "kind"])
    .orderBy("conversation_id")
    .orderBy("seq")
    .execute();
  for (const [at, message] of messages.entries()) {
    const before = messages[at - 1];
    const first = before?.conversation_id !== message.conversation_id;
    const called = `message ${message.seq} of ${message.conversation_id}`;
    if (message.seq !== (first ? 1 : before.seq + 1)) wrong.push(`a gap before ${called}`);
    if (!first && message.pos <= before.pos) wrong.push(`the position of ${called}`);
    if (message.kind === null) wrong.push(`no event of ${called}`);
    ids.add(message.message_id);
    keys.add(`${message.sender} ${message.client_message_id}`);
  }
  if (ids.size !== messages.length || keys.size !== messages.length) wrong.push("a message is there twice");
  return wrong;
}

/** The app of the ready line, and the files that keep its keys and the server's. */
async function keepsApp({ read }: Store, dataDir: string, appId: string): Promise<boolean> {
  const app = await read.selectFrom("app").select("app_id").where("app_id", "=", appId).executeTakeFirst();
  const kept = readSecretFile(join(dataDir, "development-app.json")) ?? "{}";
  const secrets = ["operator-token", "secret-key"].map((name) => readSecretFile(join(dataDir, name)) ?? "");
  return app !== undefined && (JSON.parse(kept) as { app_id?: string }).app_id === appId && !secrets.includes("");
}

async function countLost({ read }: Store, acks: Due["acks"]): Promise<number> {
  const messages = await read.selectFrom("message").select(["client_message_id", "message_id", "seq"]).execute();
  const byKey = new Map(messages.map((message) => [message.client_message_id, message]));
  let lost = 0;
  for (const [key, { messageId, seq }] of acks) {
    const found = byKey.get(key);
    if (found?.message_id !== messageId || found.seq !== seq) lost++;
  }
  return lost;
}
