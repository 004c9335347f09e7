import { join } from "node:path";
import type { Seed } from "../contestant.js";
import { openChatStore, pairOf, type Told } from "../peers/chat-store.js";

/** Where the peers keep their store. */
export const chatDatabase = (dataDir: string): string => join(dataDir, "chat.db");

/** Fills the store of the peers by their own statements. */
export async function seedChatStore(dataDir: string, seed: Seed): Promise<void> {
  const store = openChatStore(chatDatabase(dataDir), { pages: true });
  store.fill(messagesOf(seed));
  store.close();
}

function* messagesOf({ users, stored, timeOf, text, progress }: Seed): Generator<Told> {
  const conversation = pairOf(...users);
  for (let seq = 1; seq <= stored; seq += 1) {
    const sender = users[seq % 2 === 1 ? 0 : 1];
    yield { conversation, seq, sender, clientId: `seed-${seq}`, text, time: timeOf(seq) };
    progress(seq);
  }
}
