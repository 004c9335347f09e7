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

/** Makes the outbox store of one user. Keys sort by the time of sending. */
export function createOutboxStore(store: KeyValueStore, scope: Scope): OutboxStore {
  const prefix = `${userPrefix(scope)}outbox/`;
  const keys = new Map<string, string>();
  /** The puts under way: a store may finish a removal before the write it was asked for earlier. */
  const puts = new Map<string, Promise<void>>();
  let count = 0;

  function keyOf({ message, createdMs }: PendingSend): string {
    const order = `${String(createdMs).padStart(15, "0")}-${String(count++).padStart(9, "0")}`;
    return `${prefix}${order}-${message.clientMessageId}`;
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
    put(send) {
      const key = keyOf(send);
      keys.set(send.message.clientMessageId, key);
      const request = base64Encode(toBinary(SendMessageRequestSchema, send.request));
      const written = store.set(key, JSON.stringify({ createdMs: send.createdMs, request }));
      if (written)
        puts.set(
          key,
          written.finally(() => puts.delete(key)),
        );
      return written;
    },
    remove({ message: { clientMessageId } }) {
      const key = keys.get(clientMessageId);
      if (key === undefined) return;
      keys.delete(clientMessageId);
      const remove = () => store.remove(key);
      return puts.get(key)?.then(remove, remove) ?? remove();
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
