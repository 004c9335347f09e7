import { create, toBinary } from "@bufbuild/protobuf";
import { EventKind, StreamEventSchema } from "@parley/proto/parley/v1/stream_event_pb.js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type TempStore, tempStore } from "../../../test/support/temp-store.js";
import type { Tx } from "../store/committer.js";
import { putInstallation } from "../store/installations.js";
import { endStays, insertMembers } from "../store/members.js";
import { insertMessages } from "../store/messages.js";
import { addressed } from "./recipients.js";

const MEMBERS = 1_203;
const GROUP = "g:crowd";

let temp: TempStore;
beforeAll(async () => {
  temp = await tempStore();
});
afterAll(() => temp[Symbol.asyncDispose]());

/** Says something in the group and gives its position. */
async function said(tx: Tx, messageId: string, senderId: string): Promise<number> {
  const content = { content: { case: "text" as const, value: { text: "hello" } } };
  const message = { messageId, sender: { sender: { case: "userId" as const, value: senderId } }, content };
  const event = create(StreamEventSchema, { event: { case: "messageCreated", value: { message } } });
  const payload = Buffer.from(toBinary(StreamEventSchema, event));
  const pos = tx.emit({ kind: EventKind.MESSAGE_CREATED, payload, audiences: [GROUP] });
  await insertMessages(tx, [
    {
      app_id: tx.appId,
      conversation_id: GROUP,
      seq: pos,
      pos,
      message_id: messageId,
      sender: senderId,
      client_message_id: messageId,
      payload_hash: Buffer.alloc(1),
      create_ms: tx.nowMs,
      counting: 1,
      payload,
      push: null,
    },
  ]);
  return pos;
}

async function reached(pos: number): Promise<{ ids: string[]; pages: number }> {
  const ids: string[] = [];
  let pages = 0;
  for await (const some of addressed(temp.store.read, "a", [{ pos, audiences: [GROUP] }]))
    for (const { recipients } of some) {
      pages += 1;
      ids.push(...recipients.map(({ installationId }) => installationId));
    }
  return { ids, pages };
}

describe("the phones of a large group", () => {
  test("are found page by page, each once, as the members were at that position; the sender's are not among them", async () => {
    const userIds = Array.from({ length: MEMBERS }, (_, at) => `u${at}`);
    const [pos, later] = await temp.committer.run("a", async (tx) => {
      await insertMembers(
        tx,
        GROUP,
        1,
        userIds.map((userId) => ({ userId, role: 0 })),
      );
      // Every user has two phones, but the last, who has none with a token.
      for (const [at, user_id] of userIds.entries())
        for (const phone of ["p", "q"])
          await putInstallation(tx, {
            installation_id: `${user_id}-${phone}`,
            user_id,
            platform: 0,
            locale: "",
            push_provider: 1,
            push_token: at === MEMBERS - 1 ? "" : `${user_id}${phone}`,
            push_environment: 1,
            token_ms: 0,
            create_ms: 0,
          });
      const pos = await said(tx, "m1", "u0");
      await endStays(tx, GROUP, ["u1", "u2"], pos + 1);
      return [pos, await said(tx, "m2", "u3")] as const;
    });
    const first = await reached(pos);
    expect(first.pages).toBe(Math.ceil(((MEMBERS - 1) * 2) / 500));
    expect(first.ids).toHaveLength((MEMBERS - 2) * 2);
    expect(new Set(first.ids).size).toBe(first.ids.length);
    expect(first.ids.filter((id) => /^u(0|1202)-/.test(id))).toEqual([]);
    // Two have gone since, and another has spoken.
    const second = await reached(later);
    expect(second.ids).toHaveLength((MEMBERS - 4) * 2);
    expect(second.ids.filter((id) => /^u[123]-/.test(id))).toEqual([]);
  });
});
