import { create, fromBinary } from "@bufbuild/protobuf";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import { ChatMessageSchema } from "@parley/proto/parley/v1/chat_message_pb.js";
import { SendMessageRequestSchema } from "@parley/proto/parley/v1/message_service_pb.js";
import { UserKind } from "@parley/proto/parley/v1/user_pb.js";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { type FakeClock, fakeClock } from "../../../test/support/fake-clock.js";
import { tempStore } from "../../../test/support/temp-store.js";
import type { Tx } from "../store/committer.js";
import { insertFriends } from "../store/friends.js";
import { endStays, insertMembers, insertPlace } from "../store/members.js";
import { insertUser } from "../store/users.js";
import { payloadHash } from "./canonical.js";
import { DomainError, ErrorReason } from "./errors.js";
import type { Send, SendJob } from "./send.js";
import { targetOf } from "./send-target.js";
import { storeSends } from "./store-sends.js";

const clock: FakeClock = fakeClock();
const temp = await tempStore({ now: clock.now });
afterAll(() => temp[Symbol.asyncDispose]());

let [apps, ids] = [0, 0];
const newId = () => `m${String(++ids).padStart(6, "0")}`;

/** An app of its own with tom, ann and bob, of whom tom and ann are friends and members of group a. */
async function createWorld(rules = { allowStrangerMessages: true }) {
  const appId = `app${++apps}`;
  await temp.committer.run(appId, async (tx) => {
    for (const user_id of ["tom", "ann", "bob"])
      await insertUser(tx, { user_id, kind: UserKind.ORDINARY, display_name: "", avatar_url: "", attributes: null });
    await insertFriends(tx, "tom", "ann");
    await insertPlace(tx, {
      place: "g:a",
      name: "",
      owner_user_id: "tom",
      attributes: null,
      join_policy: 0,
      history_for_new_members: 0,
      member_count: 2,
    });
    const pos = tx.emit({ kind: 0, payload: Buffer.alloc(0), audiences: ["g:a"] });
    await insertMembers(tx, "g:a", pos, [
      { userId: "tom", role: 1 },
      { userId: "ann", role: 1 },
    ]);
  });
  const submit = async (sends: Send[]) => {
    const job: SendJob = { sends, rules, newId, heard: () => [] };
    const outcomes = await temp.committer.submit(appId, storeSends, job, sends.length);
    return outcomes.map((outcome) => {
      if (outcome.ok) {
        const { payload, deduplicated } = outcome.value;
        return { message: fromBinary(ChatMessageSchema, payload), deduplicated };
      }
      if (outcome.error instanceof DomainError) return ErrorReason[outcome.error.reason];
      throw outcome.error;
    });
  };
  const rows = () =>
    temp.store.read.selectFrom("message").selectAll().where("app_id", "=", appId).orderBy("pos").execute();
  return {
    appId,
    submit,
    rows,
    run: (work: (tx: Tx) => Promise<void>) => temp.committer.run(appId, work),
    /** What a send became: its conversation, seq and whether it is a repeat, or the reason of its refusal. */
    async send(...sends: Send[]) {
      return (await submit(sends)).map((sent) =>
        typeof sent === "string"
          ? sent
          : `${sent.message.conversationId} ${sent.message.seq}${sent.deduplicated ? " again" : ""}`,
      );
    },
    async heads() {
      const found = await temp.store.read.selectFrom("conversation").selectAll().where("app_id", "=", appId).execute();
      return Object.fromEntries(found.map((row) => [row.conversation_id, row.head_seq]));
    },
  };
}

function send(
  from: string,
  to: string,
  clientMessageId: string,
  text = "hello",
  more: { replyToMessageId?: string } = {},
): Send {
  const [kind, id] = to.includes(":") ? to.split(":") : ["u", to];
  const peer =
    kind === "g" ? ({ case: "groupId", value: id ?? "" } as const) : ({ case: "userId", value: id ?? "" } as const);
  const request = create(SendMessageRequestSchema, {
    receiver: { peer },
    content: { content: { case: "text", value: { text } } },
    clientMessageId,
    ...more,
  });
  return { senderId: from, target: targetOf(from, request.receiver), request, keyed: true, hash: payloadHash(request) };
}

describe("storeSends", () => {
  test("a repeat gets the first answer and stores nothing, in one call, in one batch and later", async () => {
    const world = await createWorld();
    const [first, again] = await world.submit([send("tom", "ann", "1"), send("tom", "ann", "1")]);
    if (typeof first !== "object" || typeof again !== "object") return expect.fail("refused");
    expect([first.deduplicated, again.deduplicated]).toEqual([false, true]);
    expect(again.message).toEqual(first.message);
    const racing = await Promise.all([1, 2, 3].map(() => world.send(send("tom", "ann", "2"))));
    expect(racing.flat().sort()).toEqual(["d:ann:tom 2", "d:ann:tom 2 again", "d:ann:tom 2 again"]);
    const [later] = await world.submit([send("tom", "ann", "1")]);
    expect(later).toEqual({ message: first.message, deduplicated: true });
    expect(await world.rows()).toHaveLength(2);
    expect(await world.heads()).toEqual({ "d:ann:tom": 2 });
  });

  test("the same id with other content is a conflict, whether the first is stored or in the same batch", async () => {
    const world = await createWorld();
    expect(await world.send(send("tom", "ann", "1", "a"), send("tom", "ann", "1", "b"))).toEqual([
      "d:ann:tom 1",
      "IDEMPOTENCY_CONFLICT",
    ]);
    expect(await world.send(send("tom", "ann", "1", "c"), send("tom", "bob", "1", "a"))).toEqual([
      "IDEMPOTENCY_CONFLICT",
      "IDEMPOTENCY_CONFLICT",
    ]);
    // Another sender's id is another id.
    expect(await world.send(send("ann", "tom", "1", "b"))).toEqual(["d:ann:tom 2"]);
  });

  test("a repeat is answered though the sender has lost the right to send", async () => {
    const world = await createWorld();
    await world.send(send("ann", "g:a", "1"));
    await world.run((tx) =>
      endStays(tx, "g:a", ["ann"], tx.emit({ kind: 0, payload: Buffer.alloc(0), audiences: ["g:a"] })),
    );
    expect(await world.send(send("ann", "g:a", "1"), send("ann", "g:a", "2"))).toEqual(["g:a 1 again", "NOT_MEMBER"]);
  });

  test("what is refused takes no number and leaves its neighbours alone, and its id is not used up", async () => {
    const world = await createWorld({ allowStrangerMessages: false });
    expect(
      await world.send(
        send("tom", "ann", "1"),
        send("tom", "bob", "2"),
        send("bob", "g:a", "3"),
        send("tom", "nobody", "4"),
        send("tom", "g:none", "5"),
        send("tom", "g:a", "6"),
        send("tom", "ann", "7", "x", { replyToMessageId: "unknown" }),
        send("tom", "ann", "8"),
      ),
    ).toEqual([
      "d:ann:tom 1",
      "NOT_FRIEND",
      "NOT_MEMBER",
      "NOT_FOUND",
      "NOT_FOUND",
      "g:a 1",
      "NOT_FOUND",
      "d:ann:tom 2",
    ]);
    expect((await world.rows()).map((row) => row.pos)).toEqual([2, 3, 4]);
    await world.run((tx) => insertFriends(tx, "bob", "tom"));
    expect(await world.send(send("tom", "bob", "2"))).toEqual(["d:bob:tom 1"]);
  });

  test("a removal just before a send in the same batch is seen by it, one just after is not", async () => {
    const world = await createWorld();
    const remove = (userId: string) =>
      world.run((tx) =>
        endStays(tx, "g:a", [userId], tx.emit({ kind: 0, payload: Buffer.alloc(0), audiences: ["g:a"] })),
      );
    const [before, , after, , tom] = await Promise.all([
      world.send(send("ann", "g:a", "1")),
      remove("ann"),
      world.send(send("ann", "g:a", "2")),
      remove("tom"),
      world.send(send("tom", "g:a", "3")),
    ]);
    expect([before, after, tom]).toEqual([["g:a 1"], ["NOT_MEMBER"], ["NOT_MEMBER"]]);
  });

  test("seqs are dense in the order of positions over many conversations, whatever is refused or repeated", async () => {
    const any = fc.record({
      from: fc.constantFrom("tom", "ann", "bob"),
      to: fc.constantFrom("tom", "ann", "bob", "nobody", "g:a", "g:none"),
      id: fc.nat(15).map(String),
      text: fc.constantFrom("a", "b"),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(any, { minLength: 1, maxLength: 5 }), { maxLength: 15, size: "max" }),
        async (calls) => {
          const world = await createWorld();
          const stored = new Map<string, string>();
          const answers = await Promise.all(
            calls.map((call) => world.send(...call.map(({ from, to, id, text }) => send(from, to, id, text)))),
          );
          let fresh = 0;
          for (const [at, call] of calls.entries())
            for (const [i, { from, to, id, text }] of call.entries()) {
              const answer = answers[at]?.[i] ?? "";
              const known = stored.get(`${from}|${id}`);
              const allowed = to !== "nobody" && to !== "g:none" && !(from === "bob" && to === "g:a");
              if (known !== undefined) expect(answer.endsWith("again")).toBe(known === `${to}|${text}`);
              else if (!allowed) expect(["NOT_FOUND", "NOT_MEMBER"]).toContain(answer);
              else {
                stored.set(`${from}|${id}`, `${to}|${text}`);
                fresh++;
              }
            }
          const rows = await world.rows();
          expect(rows).toHaveLength(fresh);
          expect(rows.map((row) => row.pos)).toEqual(rows.map((_, at) => at + 2));
          const heads: Record<string, number> = {};
          for (const row of rows) {
            heads[row.conversation_id] = (heads[row.conversation_id] ?? 0) + 1;
            expect(row.seq).toBe(heads[row.conversation_id]);
          }
          expect(await world.heads()).toEqual(heads);
        },
      ),
      { numRuns: 25 },
    );
  });

  test("create_time never falls along a conversation, though the clock goes back", async () => {
    const world = await createWorld();
    const start = clock.now();
    const times: number[] = [];
    for (const [i, ms] of [0, 1_000, -60_000, -3_600_000, 500, 2_000].entries()) {
      clock.setWall(start + ms);
      for (const sent of await world.submit([send("tom", "ann", `${i}a`), send("ann", "tom", `${i}b`)]))
        if (typeof sent === "object" && sent.message.createTime)
          times.push(timestampMs(sent.message.createTime) - start);
    }
    clock.setWall(start);
    expect(times).toEqual([0, 0, 1_000, 1_000, 1_000, 1_000, 1_000, 1_000, 1_000, 1_000, 2_000, 2_000]);
    expect((await world.rows()).map((row) => row.create_ms - start)).toEqual(times);
  });

  test("the first message makes the conversation listable for both, and a system message for its reader", async () => {
    const world = await createWorld();
    await world.send(send("tom", "ann", "1"), send("tom", "ann", "2"), send("", "bob", "3"), send("ann", "ann", "4"));
    const found = await temp.store.read
      .selectFrom("participant")
      .selectAll()
      .where("app_id", "=", world.appId)
      .execute();
    expect(found.map((row) => `${row.user_id} ${row.conversation_id}`).sort()).toEqual([
      "ann d:ann:ann",
      "ann d:ann:tom",
      "bob y:bob",
      "tom d:ann:tom",
    ]);
  });
});
