import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { base64Decode, base64Encode } from "@bufbuild/protobuf/wire";
import { SendMessageRequestSchema } from "@parley/proto/parley/v1/message_service_pb.js";
import { type KeyValueStore, type Scope, userPrefix } from "./key-value-store.js";
import { createPendingSend, type PendingSend } from "./outgoing-message.js";

/** Where pending sends outlive the program. */
export interface OutboxStore {
  /** Keeps a send; called before its first try. */
  put(send: PendingSend): void | Promise<void>;
  /** Forgets a send that has its outcome. */
  remove(send: PendingSend): void | Promise<void>;
  /** The sends that were kept, in the order they were sent. What cannot be read is forgotten. */
  load(): Promise<PendingSend[]>;
}

/**
 * Makes the outbox store of one user. Keys sort in the order of sending: by time, and behind all that an earlier run of the program
 * left, though the device's clock may have gone back since.
 */
export function createOutboxStore(store: KeyValueStore, scope: Scope): OutboxStore {
  const prefix = `${userPrefix(scope)}outbox/`;
  const keys = new Map<string, string>();
  /** The puts under way: a store may finish a removal before the write it was asked for earlier. */
  const puts = new Map<string, Promise<void>>();
  let count = 0;
  let latestMs = 0;
  /** The time in the newest key of earlier runs, once it is known. */
  let earlierMs: number | undefined;
  let looking: Promise<void> | undefined;

  const learn = (kept: readonly string[]): void => {
    earlierMs = Number(kept.at(-1)?.slice(prefix.length).split("-")[0] ?? "") || 0;
  };

  /** Looks what earlier runs left; at once when the store answers at once. */
  function look(): Promise<void> | undefined {
    if (earlierMs !== undefined || looking !== undefined) return looking;
    const kept = store.keys(prefix);
    if (Array.isArray(kept)) return void learn(kept);
    looking = kept.then(learn).finally(() => {
      looking = undefined;
    });
    return looking;
  }

  async function read(key: string): Promise<PendingSend | undefined> {
    try {
      const { createdMs, request } = JSON.parse((await store.get(key)) ?? "") as { createdMs: number; request: string };
      return createPendingSend(fromBinary(SendMessageRequestSchema, base64Decode(request)), createdMs);
    } catch {
      await store.remove(key);
      return undefined;
    }
  }

  return {
    put({ message: { clientMessageId }, createdMs, request }) {
      latestMs = Math.max(latestMs, createdMs);
      const [ownMs, number] = [latestMs, count++];
      const write = () => {
        const ms = Math.max(ownMs, (earlierMs ?? 0) + 1);
        const key = `${prefix}${String(ms).padStart(15, "0")}-${String(number).padStart(9, "0")}-${clientMessageId}`;
        keys.set(clientMessageId, key);
        const text = base64Encode(toBinary(SendMessageRequestSchema, request));
        return store.set(key, JSON.stringify({ createdMs, request: text }));
      };
      const looked = look();
      const written = looked === undefined ? write() : looked.then(write);
      if (written)
        puts.set(
          clientMessageId,
          written.finally(() => puts.delete(clientMessageId)),
        );
      return written;
    },
    remove({ message: { clientMessageId } }) {
      const remove = () => {
        const key = keys.get(clientMessageId);
        keys.delete(clientMessageId);
        return key === undefined ? undefined : store.remove(key);
      };
      return puts.get(clientMessageId)?.then(remove, remove) ?? remove();
    },
    async load() {
      const sends: PendingSend[] = [];
      for (const key of await store.keys(prefix)) {
        const send = await read(key);
        if (!send) continue;
        keys.set(send.message.clientMessageId, key);
        sends.push(send);
      }
      return sends;
    },
  };
}
