import { expect, test } from "vitest";
import { type TempStore, tempStore } from "../../../test/support/temp-store.js";
import { addDissolved, listDissolved, wipeSome } from "./dissolved.js";
import { insertMessages } from "./messages.js";

const MESSAGE = 1;
const CHANGE = 2;

/** Five messages and two other events of a group, one message of another. */
async function fill({ committer }: TempStore) {
  await committer.run("a", async (tx) => {
    const emit = (kind: number, audience: string) =>
      tx.emit({ kind, payload: Buffer.from("words"), audiences: [audience] });
    const message = (place: string, seq: number) => ({
      app_id: "a",
      conversation_id: place,
      seq,
      pos: emit(MESSAGE, place),
      message_id: `${place} ${seq}`,
      sender: "tom",
      client_message_id: `${place} ${seq}`,
      payload_hash: Buffer.alloc(1),
      create_ms: 0,
      counting: 1,
      payload: Buffer.from("words"),
      push: null,
    });
    emit(CHANGE, "g:a");
    await insertMessages(
      tx,
      [1, 2, 3, 4, 5].map((seq) => message("g:a", seq)),
    );
    await insertMessages(tx, [message("g:b", 1)]);
    await addDissolved(tx, "g:a", emit(CHANGE, "g:a"));
  });
}

test("what was said in a deleted place goes step by step, and nothing else does", async () => {
  await using temp = await tempStore();
  await fill(temp);
  const { read } = temp.store;
  const messages = async () => (await read.selectFrom("message").select("message_id").execute()).length;
  const words = async () =>
    (await read.selectFrom("event").selectAll().orderBy("pos").execute()).filter((row) => row.payload.length > 0);
  const seen: number[][] = [];
  for (let [place] = await listDissolved(read, 1); place !== undefined; [place] = await listDissolved(read, 1)) {
    const next = place;
    await temp.committer.run("a", (tx) => wipeSome(tx, next, [MESSAGE], 2));
    seen.push([await messages(), (await words()).length]);
  }
  // Of the first two positions one is a change, which stays.
  expect(seen).toEqual([
    [4, 7],
    [2, 5],
    [1, 3],
    [1, 3],
  ]);
  expect((await words()).map((row) => `${row.kind} ${row.audiences}`)).toEqual(["2 g:a", "1 g:b", "2 g:a"]);
});
