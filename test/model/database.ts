import { type RawBuilder, sql } from "kysely";
import type { Scene } from "./scene.js";
import { messageLine } from "./words.js";

/** Asks the database beside the server. */
async function ask<T>(scene: Scene, run: (rows: <R>(query: RawBuilder<R>) => Promise<R[]>) => Promise<T>): Promise<T> {
  const { db, close } = await scene.host.beside();
  try {
    return await run(async (query) => (await query.execute(db)).rows);
  } finally {
    await close();
  }
}

/** How long the log is, and the messages that are stored by position, sender and key. */
export async function stored(scene: Scene): Promise<string> {
  return await ask(scene, async (rows) => {
    const [log] = await rows(sql<{ pos: number }>`select pos from app_log where app_id = ${scene.appId}`);
    const messages = await rows(
      sql<{ pos: number; sender: string; key: string }>`
        select pos, sender, client_message_id as key from message where app_id = ${scene.appId} order by pos`,
    );
    return storedLine(log?.pos ?? 0, messages);
  });
}

export const storedLine = (head: number, messages: readonly { pos: number; sender: string; key: string }[]): string =>
  [head, ...messages.map(({ pos, sender, key }) => `${pos}:${sender}:${key}`)].join();

/** Compares what is stored with what the model holds: invariants C1, C2, C3, C6, C7 and C8, read from the database itself. */
export async function checkDatabase(scene: Scene): Promise<void> {
  const { world, appId } = scene;
  await ask(scene, async (rows) => {
    const messages = await rows(
      sql<{
        conversation_id: string;
        seq: number;
        pos: number;
        message_id: string;
        sender: string;
        client_message_id: string;
      }>`
        select conversation_id, seq, pos, message_id, sender, client_message_id
        from message where app_id = ${appId} order by conversation_id, seq`,
    );
    // C1 and C6: what was acknowledged is there, once, and nothing else.
    same(
      "C1, C6: the messages",
      messages.map((m) => [m.conversation_id, m.seq, m.pos, m.sender, m.client_message_id].join("|")),
      [...world.messages]
        .sort((a, b) => (a.conversation === b.conversation ? a.seq - b.seq : a.conversation < b.conversation ? -1 : 1))
        .map((m) => [m.conversation, m.seq, m.pos, m.sender, m.key].join("|")),
    );
    const ids = new Map(messages.map((m) => [`${m.sender}|${m.client_message_id}`, m.message_id]));
    for (const message of world.messages)
      if (message.id !== "" && ids.get(`${message.sender}|${message.key}`) !== message.id)
        throw new Error(`C1: acknowledged as ${message.id}, stored otherwise: ${messageLine(message)}`);
    // C2 and C3: dense, and in one order.
    if (new Set(ids.values()).size !== messages.length) throw new Error("C2: a message id is there twice");
    for (const [at, message] of messages.entries()) {
      const before = messages[at - 1];
      if (before?.conversation_id !== message.conversation_id) continue;
      if (message.seq !== before.seq + 1 || message.pos <= before.pos)
        throw new Error(
          `C2, C3: after ${before.seq} at ${before.pos} comes ${message.seq} at ${message.pos} in ${message.conversation_id}`,
        );
    }
    same(
      "C3: the log",
      (
        await rows(
          sql<{
            pos: number;
            audiences: string;
          }>`select pos, audiences from event where app_id = ${appId} order by pos`,
        )
      ).map((e) => `${e.pos} ${e.audiences.split("\n").sort()}`),
      world.log.map((event) => `${event.pos} ${[...event.audiences].sort()}`),
    );
    // C7: what membership says of who sees what.
    same(
      "C7: the stays of now",
      (
        await rows(
          sql<{ place: string; user_id: string; joined_pos: number }>`
            select place, user_id, joined_pos
            from member where app_id = ${appId} and left_pos is null order by place, user_id`,
        )
      ).map((m) => `${m.place} ${m.user_id} ${m.joined_pos}`),
      Object.keys(world.places)
        .flatMap((name) => world.members(name).map((stay) => `${name} ${stay.user} ${stay.from}`))
        .sort(),
    );
    // C8: what unread is derived from.
    same(
      "C8: the read markers",
      (
        await rows(
          sql<{ conversation_id: string; user_id: string; read_seq: number }>`
            select conversation_id, user_id, read_seq from participant where app_id = ${appId}`,
        )
      )
        .map((p) => `${p.conversation_id} ${p.user_id} ${p.read_seq}`)
        .sort(),
      Object.entries(world.conversations)
        .flatMap(([id, { read }]) => Object.entries(read).map(([user, seq]) => `${id} ${user} ${seq}`))
        .sort(),
    );
  });
}

function same(what: string, is: readonly string[], must: readonly string[]): void {
  const at = Math.max(is.length, must.length) === 0 ? -1 : [...is, ...must].findIndex((_, i) => is[i] !== must[i]);
  if (at >= 0) throw new Error(`${what}: stored ${is[at]}, the model has ${must[at]}`);
}
