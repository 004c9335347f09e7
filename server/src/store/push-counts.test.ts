import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type TempStore, tempStore } from "../../../test/support/temp-store.js";
import { addPushCounts, dayOf, listPushCounts } from "./push-counts.js";
import { beginPushCursor, findPushCursor, putPushCursor } from "./push-log.js";

let temp: TempStore;
beforeAll(async () => {
  temp = await tempStore();
});
afterAll(() => temp[Symbol.asyncDispose]());

describe("the pushes of an app", () => {
  test("add up day by day, and are listed by rising day", async () => {
    const [day, next] = [dayOf(Date.UTC(2030, 0, 1, 23, 59)), dayOf(Date.UTC(2030, 0, 2))];
    expect(next - day).toBe(1);
    await temp.committer.run("a", async (tx) => {
      await addPushCounts(tx, next, { failed: 1 });
      await addPushCounts(tx, day, { sent: 2 });
      await addPushCounts(tx, day, { sent: 1, opened: 1 });
    });
    await temp.committer.run("b", (tx) => addPushCounts(tx, day, { sent: 9 }));
    expect(await listPushCounts(temp.store.read, "a", day, next)).toEqual([
      { day, sent: 3, opened: 1, failed: 0 },
      { day: next, sent: 0, opened: 0, failed: 1 },
    ]);
    expect(await listPushCounts(temp.store.read, "a", next, next)).toHaveLength(1);
  });

  test("begin at the head of the log, once", async () => {
    await temp.committer.run("c", async (tx) => {
      tx.emit({ kind: 1, payload: Buffer.from("x"), audiences: ["u:tom"] });
      await beginPushCursor(tx);
    });
    expect(await findPushCursor(temp.store.read, "c")).toBe(1);
    await temp.committer.run("c", async (tx) => {
      await putPushCursor(tx, 7);
      await beginPushCursor(tx);
    });
    expect(await findPushCursor(temp.store.read, "c")).toBe(7);
  });
});
