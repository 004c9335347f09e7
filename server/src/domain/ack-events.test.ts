import { UserKind } from "@parley/proto/parley/v1/user_pb.js";
import { describe, expect, test } from "vitest";
import { tempStore } from "../../../test/support/temp-store.js";
import type { LogState } from "../ports.js";
import { encodeCursor } from "../store/cursor.js";
import { readLogState } from "../store/log.js";
import { ackEvents } from "./ack-events.js";
import type { Ctx } from "./context.js";

const APP = "app";

/** What the rule asks of a node whose watermark is behind the store. */
function nodeAt(read: Ctx["read"], state: LogState) {
  const acknowledged: number[] = [];
  const tail = {
    state: async () => state,
    acknowledge: (_appId: string, _sessionId: string, pos: number) => void acknowledged.push(pos),
  };
  const caller = { kind: "user", appId: APP, userId: "tom", sessionId: "s1", userKind: UserKind.ORDINARY };
  const ack = (cursor: string) =>
    ackEvents({ read, tail } as unknown as Ctx, caller as Parameters<typeof ackEvents>[1], cursor);
  return { acknowledged, ack };
}

describe("an acknowledgement", () => {
  test("of what another node has delivered is taken as far as the store goes, and not beyond", async () => {
    await using temp = await tempStore();
    await temp.committer.run(APP, async (tx) => {
      for (const _ of [1, 2, 3]) tx.emit({ kind: 1, payload: Buffer.alloc(1), audiences: ["*"] });
    });
    const stored = await readLogState(temp.store.read, APP);
    const generationId = stored.generations[0]?.generationId ?? "";
    const at = (pos: number) => encodeCursor(APP, { generationId, pos });
    const { acknowledged, ack } = nodeAt(temp.store.read, { ...stored, head: 1 });
    await ack(at(1));
    await ack(at(3));
    expect(acknowledged).toEqual([0, 1, 0, 3]);
    await expect(ack(at(4))).rejects.toMatchObject({ facts: { metadata: { cause: "HISTORY_CHANGED" } } });
  });
});
