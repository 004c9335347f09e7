import fc from "fast-check";
import { expect, test } from "vitest";
import { tempStore } from "../../../test/support/temp-store.js";
import { findSeqSince, insertMessages } from "./messages.js";

test("the first message that is not before a time is found wherever it is", async () => {
  await using temp = await tempStore();
  let made = 0;
  const times = fc.array(fc.nat({ max: 3 }), { maxLength: 40 });
  const run = fc.asyncProperty(times, fc.nat({ max: 20 }), fc.nat({ max: 130 }), async (steps, floorSeq, ms) => {
    const conversation = `c${++made}`;
    let at = 0;
    const rows = steps.map((step, i) => {
      at += step;
      return { seq: floorSeq + i + 1, create_ms: at };
    });
    await temp.committer.run("a", async (tx) => {
      await insertMessages(
        tx,
        rows.map((row) => ({
          ...row,
          app_id: "a",
          conversation_id: conversation,
          pos: 1,
          message_id: `${conversation} ${row.seq}`,
          sender: "tom",
          client_message_id: `${conversation} ${row.seq}`,
          payload_hash: Buffer.alloc(0),
          counting: 1,
          payload: Buffer.alloc(0),
          push: null,
        })),
      );
    });
    const headSeq = floorSeq + rows.length;
    const expected = rows.find((row) => row.create_ms >= ms)?.seq ?? headSeq + 1;
    expect(await findSeqSince(temp.store.read, "a", conversation, { floorSeq, headSeq, ms })).toBe(expected);
  });
  await fc.assert(run, { numRuns: 200 });
});
