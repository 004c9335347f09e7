import { sql } from "kysely";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ON_POSTGRES } from "../../../test/support/database.js";
import { type TempStore, tempStore } from "../../../test/support/temp-store.js";
import { insertUses, listUsesFor, removeUses, removeUsesOf } from "./attachment-uses.js";
import { disownAttachments, insertAttachment, listUnused, sumCharged } from "./attachments.js";
import type { Tx } from "./committer.js";

let temp: TempStore;
beforeAll(async () => {
  temp = await tempStore();
  await run(async (tx) => {
    for (const attachment_id of ["one", "two", "three"]) {
      const row = { app_id: "a", attachment_id, owner_user_id: "tom", file_name: "", mime_type: "a/b" };
      const sizes = { size_bytes: 1, charged_bytes: 10, width: 0, height: 0, thumbnail: 0 };
      await insertAttachment(tx, { ...row, ...sizes, complete: 1, used: 0, create_ms: 1000 });
    }
    const conversation = { head_seq: 9, floor_seq: 0, last_pos: 9, last_ms: 0 };
    await tx.db
      .insertInto("conversation")
      .values({ app_id: "a", conversation_id: "d:ann:tom", ...conversation })
      .execute();
  });
});
afterAll(() => temp[Symbol.asyncDispose]());

const run = <T>(work: (tx: Tx) => Promise<T>) => temp.committer.run("a", work);
const use = (attachmentId: string, seq: number) => ({
  attachmentId,
  audiences: ["u:ann", "u:tom"],
  conversationId: "d:ann:tom",
  seq,
  pos: seq,
});
const unused = async () =>
  (await listUnused(temp.store.read, "a", 1, 1000, 10)).map(({ attachment_id }) => attachment_id).sort();
const usesFor = (userId: string, attachmentId: string) => listUsesFor(temp.store.read, "a", attachmentId, userId, 10);

describe("the uses of attachments", () => {
  it("keep them, each as long as its last one; the newest of each conversation is told to those it is for", async () => {
    expect(await unused()).toEqual(["one", "three", "two"]);
    await run((tx) => insertUses(tx, [use("one", 1), use("one", 2), use("two", 3)]));
    expect(await unused()).toEqual(["three"]);
    expect(await usesFor("ann", "one")).toEqual([{ conversationId: "d:ann:tom", pos: 2, seq: 2 }]);
    expect(await usesFor("bob", "one")).toEqual([]);
    expect(await run((tx) => removeUses(tx, "d:ann:tom", 1, 100))).toBe(2);
    expect(await unused()).toEqual(["three"]);
    await run((tx) => removeUsesOf(tx, "d:ann:tom", [2, 7]));
    expect([await unused(), await usesFor("ann", "one")]).toEqual([["one", "three"], []]);
    expect(await usesFor("tom", "two")).toHaveLength(1);
  });

  it("go in steps, and what is hidden is not told", async () => {
    await run((tx) => insertUses(tx, [use("three", 4), use("three", 5)]));
    await run((tx) => tx.db.updateTable("conversation").set({ floor_seq: 4 }).where("app_id", "=", "a").execute());
    expect(await usesFor("ann", "two")).toEqual([]);
    expect(await usesFor("ann", "three")).toHaveLength(1);
    expect(await run((tx) => removeUses(tx, "d:ann:tom", 9, 2))).toBe(2);
    expect(await unused()).toEqual(["one", "two"]);
    expect(await run((tx) => removeUses(tx, "d:ann:tom", 9, 100))).toBe(4);
    expect(await unused()).toEqual(["one", "three", "two"]);
  });

  it("and the attachments of a user who is deleted are nobody's", async () => {
    expect(await sumCharged(temp.store.read, "a", "tom")).toBe(30);
    await run((tx) => disownAttachments(tx, "tom"));
    expect(await sumCharged(temp.store.read, "a", "tom")).toBe(0);
  });

  it.skipIf(ON_POSTGRES)("are found by keys, however many there are", async () => {
    const plan = async (query: ReturnType<typeof sql>) => {
      const { rows } = await sql<{ detail: string }>`explain query plan ${query}`.execute(temp.store.read);
      return rows.map((row) => row.detail).join("; ");
    };
    const key = "(app_id=? AND attachment_id=? AND audience=?";
    const direct = sql`select u.conversation_id, max(u.pos) as pos from attachment_use u
      left join conversation c on c.app_id = u.app_id and c.conversation_id = u.conversation_id
      where u.app_id = 'a' and u.attachment_id = 'x' and u.audience = 'u:tom' and u.seq > coalesce(c.floor_seq, 0)
      group by u.conversation_id order by pos desc limit 9`;
    expect(await plan(direct)).toContain(`SEARCH u USING PRIMARY KEY ${key}`);
    const places = sql`select m.place, (select u.pos from attachment_use u where u.app_id = 'a' and u.attachment_id = 'x'
        and u.audience = m.place and u.conversation_id = m.place and u.seq > c.floor_seq order by u.seq desc limit 1) as pos
      from member m inner join conversation c on c.app_id = m.app_id and c.conversation_id = m.place
      where m.app_id = 'a' and m.user_id = 'tom' and m.left_pos is null order by pos desc limit 9`;
    expect(await plan(places)).toMatch(/SEARCH m USING (COVERING )?INDEX member_user \(app_id=\? AND user_id=\?\)/);
    expect(await plan(places)).toContain(`SEARCH u USING PRIMARY KEY ${key} AND conversation_id=? AND seq>?)`);
    const old = sql`select attachment_id from attachment where app_id = 'a' and used = 0 and complete = 1 and create_ms <= 5`;
    expect(await plan(old)).toContain("attachment_unused (app_id=? AND complete=? AND create_ms<?)");
  });
});
