import { create, fromBinary } from "@bufbuild/protobuf";
import { ChatMessageSchema } from "@parley/proto/parley/v1/chat_message_pb.js";
import { SendMessageRequestSchema } from "@parley/proto/parley/v1/message_service_pb.js";
import { ChangeKind } from "@parley/proto/parley/v1/stream_event_pb.js";
import { UserKind } from "@parley/proto/parley/v1/user_pb.js";
import { afterAll, describe, expect, test, vi } from "vitest";
import { ON_POSTGRES } from "../../../test/support/database.js";
import { fakeClock } from "../../../test/support/fake-clock.js";
import { type TempStore, tempStore } from "../../../test/support/temp-store.js";
import { type AppRules, TIMES } from "../limits.js";
import { createLogger } from "../ops/logger.js";
import { userAudience } from "../store/audience.js";
import type { Tx } from "../store/committer.js";
import { createDiskBlobs } from "../store/disk-blobs.js";
import { insertFriends } from "../store/friends.js";
import { readLogState, refusalOf } from "../store/log.js";
import { dissolvePlace, endStays, insertMembers } from "../store/members.js";
import type { Row } from "../store/schema.js";
import { insertUser } from "../store/users.js";
import { createAppCache } from "./apps.js";
import { payloadHash } from "./canonical.js";
import { newEvent } from "./events.js";
import { type Retention, type RetentionOptions, startRetention } from "./retention.js";
import { targetOf } from "./send-target.js";
import { storeSends } from "./store-sends.js";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

const opened: TempStore[] = [];
afterAll(async () => {
  for (const temp of opened) await temp[Symbol.asyncDispose]();
});

/** One app `a` on a store of its own, whose clock the test moves. */
async function createWorld(rules: Partial<AppRules> = {}) {
  const clock = fakeClock();
  const temp = await tempStore({ now: clock.now });
  opened.push(temp);
  const { read } = temp.store;
  const lines: { level: string; reason?: string }[] = [];
  const logger = createLogger("debug", { write: (line) => void lines.push(JSON.parse(line)) });
  const floors: number[] = [];
  const forget = vi.fn();
  const run = <T>(work: (tx: Tx) => Promise<T>) => temp.committer.run("a", work);
  const rows = {
    event: () => read.selectFrom("event").selectAll().where("app_id", "=", "a").orderBy("pos").execute(),
    audience: () => read.selectFrom("audience").selectAll().orderBy("pos").execute(),
    generation: () => read.selectFrom("generation").selectAll().orderBy("first_pos").execute(),
    member: () => read.selectFrom("member").selectAll().orderBy("joined_pos").execute(),
    conversation: () => read.selectFrom("conversation").selectAll().orderBy("conversation_id").execute(),
    message: () => read.selectFrom("message").selectAll().orderBy("pos").execute(),
    session: () => read.selectFrom("session").selectAll().execute(),
    used_token: () => read.selectFrom("used_token").selectAll().execute(),
    answered: () => read.selectFrom("answered").selectAll().execute(),
  };
  const addApp = (app_id: string, settings: Partial<AppRules>) =>
    temp.committer.run(app_id, async (tx) => {
      const row: Row<"app"> = {
        app_id,
        name: app_id,
        client_key: "",
        settings: JSON.stringify(settings),
        token_keys: null,
        sms_gateway: null,
        oauth_providers: null,
        create_ms: 0,
      };
      await tx.db.insertInto("app").values(row).execute();
    });
  await addApp("a", rules);
  await run(async (tx) => {
    for (const user_id of ["tom", "ann", "bob", "guest"]) {
      const kind = user_id === "guest" ? UserKind.GUEST : UserKind.ORDINARY;
      await insertUser(tx, { user_id, kind, display_name: "", avatar_url: "", attributes: null });
    }
    await insertFriends(tx, "tom", "ann");
  });
  let made = 0;
  return {
    clock,
    temp,
    lines,
    floors,
    forget,
    run,
    rows,
    addApp,
    /** Begins retention as a new process does. */
    start(options: Partial<RetentionOptions> = {}): Retention {
      const ctx = {
        read,
        committer: temp.committer,
        clock,
        apps: createAppCache(read, clock, TIMES.recordCacheMs),
        sessions: { find: () => undefined, mark: () => 0, keep: () => {}, forget, forgetUser: () => {} },
        pushes: { withdraw: () => {}, settled: async () => {}, credentialChanged: () => {} },
        times: TIMES,
        blobs: createDiskBlobs(temp.dataDir),
      };
      return startRetention(ctx, logger, {
        intervalMs: 60_000,
        force: false,
        onFloor: (_, pos) => void floors.push(pos),
        ...options,
      });
    },
    emit: (count: number, ...audiences: string[]) =>
      run(async (tx) => {
        for (let i = 0; i < count; i++) tx.emit({ kind: 1, payload: Buffer.from("x"), audiences });
      }),
    async send(from: string, to: string, clientMessageId = `c${++made}`) {
      const peer = to.startsWith("g:") ? { case: "groupId", value: to.slice(2) } : { case: "userId", value: to };
      const request = create(SendMessageRequestSchema, {
        receiver: { peer: peer as { case: "userId"; value: string } },
        content: { content: { case: "text", value: { text: "hi" } } },
        clientMessageId,
      });
      const sent = {
        senderId: from,
        target: targetOf(from, request.receiver),
        request,
        keyed: true,
        hash: payloadHash(request),
      };
      const job = { sends: [sent], rules: { allowStrangerMessages: true }, newId: () => `m${++made}`, heard: () => [] };
      const [outcome] = await temp.committer.submit("a", storeSends, job);
      if (!outcome?.ok) throw outcome?.error;
      const { seq } = fromBinary(ChatMessageSchema, outcome.value.payload);
      return `${seq}${outcome.value.deduplicated ? " again" : ""}`;
    },
    state: () => readLogState(read, "a"),
    /** Where each conversation's floor is, and the seqs that are stored. */
    async history() {
      const messages = await rows.message();
      return Object.fromEntries(
        (await rows.conversation()).map(({ conversation_id, floor_seq, head_seq }) => {
          const stored = messages.filter((row) => row.conversation_id === conversation_id).map((row) => row.seq);
          return [conversation_id, `floor ${floor_seq} of ${head_seq}, stored ${stored.join()}`];
        }),
      );
    },
  };
}

describe("retention of the event log", () => {
  test("removes the events older than the app keeps with their audiences, and tells the floor", async () => {
    const world = await createWorld({ eventRetentionMs: DAY });
    await world.emit(2, "u:tom", "g:x");
    world.clock.advance(DAY / 2);
    await world.emit(1, "u:tom");
    await world.emit(1, "*", "u:ann");
    const retention = world.start();
    world.clock.advance(DAY / 2);
    expect((await retention.runNow()).events).toBe(0);
    world.clock.advance(1);
    expect(await retention.runNow()).toMatchObject({ stopped: undefined, events: 2 });
    expect((await world.rows.event()).map((row) => row.pos)).toEqual([3, 4]);
    expect((await world.rows.audience()).map((row) => `${row.audience} ${row.pos}`).sort()).toEqual([
      "* 4",
      "u:ann 4",
      "u:tom 3",
    ]);
    expect(await world.state()).toMatchObject({ floor: 2, head: 4 });
    expect(world.floors).toEqual([2]);
    world.clock.advance(DAY);
    await retention.runNow();
    expect(await world.rows.audience()).toEqual([]);
    expect(await world.state()).toMatchObject({ floor: 4, head: 4 });
    // An empty log goes on where it was.
    await world.emit(1, "u:tom");
    expect((await world.rows.event()).map((row) => row.pos)).toEqual([5]);
    await retention.close();
  });

  test("goes step by step, a thousand positions a transaction", async () => {
    const world = await createWorld({ eventRetentionMs: DAY });
    await world.emit(2_500, "u:tom");
    world.clock.advance(2 * DAY);
    await world.emit(1, "u:tom");
    const retention = world.start();
    expect((await retention.runNow()).events).toBe(2_500);
    expect(world.floors).toEqual([1_000, 2_000, 2_500]);
    expect((await world.rows.audience()).map((row) => row.pos)).toEqual([2_501]);
    await retention.close();
  });

  test("keeps for ever what is to be kept for ever, and treats each app by its own rules", async () => {
    const world = await createWorld({ eventRetentionMs: 0 });
    await world.addApp("b", { eventRetentionMs: DAY });
    await world.emit(3, "u:tom");
    await world.temp.committer.run("b", async (tx) => tx.emit({ kind: 1, payload: Buffer.alloc(1), audiences: ["*"] }));
    world.clock.advance(1000 * DAY);
    const retention = world.start();
    expect((await retention.runNow()).events).toBe(1);
    expect(await world.rows.event()).toHaveLength(3);
    expect(await world.rows.audience()).toHaveLength(3);
    await retention.close();
  });

  test("stops at the first event that is not old, though the clock went back after it", async () => {
    const world = await createWorld({ eventRetentionMs: DAY });
    const start = world.clock.now();
    await world.emit(1, "u:tom");
    world.clock.setWall(start + 5 * HOUR);
    await world.emit(1, "u:tom");
    world.clock.setWall(start);
    await world.emit(1, "u:tom");
    const retention = world.start();
    world.clock.advance(DAY + HOUR);
    await retention.runNow();
    expect((await world.state()).floor).toBe(1);
    world.clock.advance(5 * HOUR);
    await retention.runNow();
    expect((await world.state()).floor).toBe(3);
    await retention.close();
  });

  test.skipIf(ON_POSTGRES)(
    "prunes the generations that end below the floor, keeps the one that holds it, and refuses the right cursors",
    async () => {
      const world = await createWorld({ eventRetentionMs: DAY });
      // Generations begin at 0, 3, 5 and 7.
      for (const _ of [1, 2, 3, 4]) {
        await world.emit(2, "u:tom");
        await world.temp.restart();
        world.clock.advance(HOUR);
      }
      const before = await world.state();
      const places = [2, 4, 5, 6, 8].map((pos) => ({
        pos,
        generationId: before.generations.findLast((generation) => generation.firstPos <= pos)?.generationId ?? "",
      }));
      const retention = world.start();
      world.clock.advance(DAY - HOUR - 1);
      await retention.runNow();
      const after = await world.state();
      expect(after.floor).toBe(6);
      expect(after.generations).toEqual(before.generations.slice(2));
      expect(places.map((place) => refusalOf(after, place))).toEqual([
        "expired",
        "expired",
        "expired",
        undefined,
        undefined,
      ]);
      await retention.close();
    },
  );

  test("forgets the stays that ended below the floor, and no other", async () => {
    const world = await createWorld({ eventRetentionMs: DAY });
    const change = (place: string, users: string[], kind: ChangeKind) => async (tx: Tx) => {
      const value = { groupId: place.slice(2), userIds: users, change: kind };
      const audiences = kind === ChangeKind.REMOVED ? [place, ...users.map(userAudience)] : [place];
      const pos = tx.emit(newEvent(tx.nowMs, audiences, { case: "groupMemberChanged", value }));
      if (kind === ChangeKind.REMOVED) await endStays(tx, place, users, pos);
      else
        await insertMembers(
          tx,
          place,
          pos,
          users.map((userId) => ({ userId, role: 1 })),
        );
    };
    await world.run(change("g:a", ["tom", "ann", "bob"], ChangeKind.ADDED));
    await world.run(change("g:a", ["tom", "ann"], ChangeKind.REMOVED));
    await world.run(change("g:a", ["tom"], ChangeKind.ADDED));
    await world.run(change("g:b", ["ann"], ChangeKind.ADDED));
    await world.run(async (tx) => {
      const gone = { case: "groupChanged", value: { groupId: "b", change: ChangeKind.REMOVED } } as const;
      await dissolvePlace(tx, "g:b", tx.emit(newEvent(tx.nowMs, ["g:b"], gone)));
    });
    world.clock.advance(HOUR);
    await world.emit(1, "u:tom");
    await world.run(change("g:a", ["bob"], ChangeKind.REMOVED));
    await world.emit(1, "u:tom");
    const stays = async () =>
      (await world.rows.member()).map((row) => `${row.place} ${row.user_id} ${row.joined_pos}-${row.left_pos ?? ""}`);
    const retention = world.start();
    expect(await stays()).toHaveLength(5);
    world.clock.advance(DAY - HOUR + 1);
    await retention.runNow();
    expect((await world.state()).floor).toBe(5);
    expect(await stays()).toEqual(["g:a bob 1-7", "g:a tom 3-"]);
    world.clock.advance(HOUR);
    await retention.runNow();
    expect(await stays()).toEqual(["g:a tom 3-"]);
    await retention.close();
  });
});

describe("retention of history", () => {
  test("friends, groups, the system and one's own conversation by one time, strangers and guests by another", async () => {
    const world = await createWorld({ historyRetentionMs: 10 * DAY, strangerHistoryRetentionMs: 20 * DAY });
    await world.run((tx) => insertFriends(tx, "tom", "guest"));
    await world.run((tx) => insertMembers(tx, "g:a", tx.head(), [{ userId: "tom", role: 1 }]));
    const everywhere = async () => {
      for (const to of ["ann", "bob", "guest", "tom", "g:a"]) await world.send("tom", to);
      await world.send("", "ann");
    };
    await everywhere();
    world.clock.advance(9 * DAY);
    await everywhere();
    const retention = world.start();
    world.clock.advance(2 * DAY);
    await retention.runNow();
    const [own, strangers] = ["floor 1 of 2, stored 2", "floor 0 of 2, stored 1,2"];
    expect(await world.history()).toEqual({
      "d:ann:tom": own,
      "d:bob:tom": strangers,
      "d:guest:tom": strangers,
      "d:tom:tom": own,
      "g:a": own,
      "y:ann": own,
    });
    world.clock.advance(10 * DAY);
    expect(await retention.runNow()).toMatchObject({ hidden: 6, deleted: 6 });
    expect(await world.history()).toMatchObject({
      "d:ann:tom": "floor 2 of 2, stored ",
      "d:bob:tom": "floor 1 of 2, stored 2",
    });
    // The head stays, so numbers go on.
    expect(await world.send("tom", "ann")).toBe("3");
    await retention.close();
  });

  test("by default a week between friends and a year between strangers: the relation of today decides", async () => {
    const world = await createWorld();
    for (const to of ["ann", "bob", "guest"]) await world.send("tom", to);
    const retention = world.start();
    const after = async (days: number) => {
      for (let day = 0; day < days; day += 6) {
        world.clock.advance(6 * DAY);
        await retention.runNow();
      }
      return await world.history();
    };
    const [gone, kept] = ["floor 1 of 1, stored ", "floor 0 of 1, stored 1"];
    expect(await after(12)).toEqual({ "d:ann:tom": gone, "d:bob:tom": kept, "d:guest:tom": kept });
    expect(await after(342)).toMatchObject({ "d:bob:tom": kept, "d:guest:tom": kept });
    expect(await after(12)).toMatchObject({ "d:bob:tom": gone, "d:guest:tom": gone });
    // Strangers who become friends keep a week of what they wrote as strangers.
    await world.send("tom", "bob");
    expect(await after(12)).toMatchObject({ "d:bob:tom": "floor 1 of 2, stored 2" });
    await world.run((tx) => insertFriends(tx, "tom", "bob"));
    expect(await after(6)).toMatchObject({ "d:bob:tom": "floor 2 of 2, stored " });
    await retention.close();
  });

  test("each of the two times may be for ever", async () => {
    const world = await createWorld({
      historyRetentionMs: 0,
      strangerHistoryRetentionMs: 10 * DAY,
      eventRetentionMs: 0,
    });
    await world.send("tom", "ann");
    await world.send("tom", "bob");
    world.clock.advance(1000 * DAY);
    const retention = world.start();
    expect(await retention.runNow()).toMatchObject({ hidden: 1, deleted: 1 });
    expect((await world.history())["d:ann:tom"]).toBe("floor 0 of 1, stored 1");
    await retention.close();
  });

  test("a message that is hidden early is remembered for as long as a repeat of its send may come", async () => {
    const world = await createWorld({ historyRetentionMs: DAY });
    const runOnce = async () => {
      const retention = world.start();
      const { hidden, deleted } = await retention.runNow();
      await retention.close();
      return { hidden, deleted };
    };
    await world.send("tom", "ann", "key");
    world.clock.advance(DAY + 1);
    expect(await runOnce()).toEqual({ hidden: 1, deleted: 0 });
    expect(await world.history()).toEqual({ "d:ann:tom": "floor 1 of 1, stored 1" });
    world.clock.advance(TIMES.dedupMs - DAY - 1);
    expect(await runOnce()).toEqual({ hidden: 0, deleted: 0 });
    expect(await world.send("tom", "ann", "key")).toBe("1 again");
    world.clock.advance(1);
    expect(await runOnce()).toEqual({ hidden: 0, deleted: 1 });
    expect(await world.history()).toEqual({ "d:ann:tom": "floor 1 of 1, stored " });
    expect(await world.send("tom", "ann", "key")).toBe("2");
  });

  test("goes through long conversations and many conversations in steps", async () => {
    const world = await createWorld({ historyRetentionMs: DAY });
    await world.run(async (tx) => {
      const row: Omit<Row<"message">, "conversation_id" | "seq" | "message_id" | "client_message_id"> = {
        app_id: "a",
        pos: 1,
        sender: "tom",
        payload_hash: Buffer.alloc(16),
        create_ms: tx.nowMs,
        counting: 1,
        payload: Buffer.alloc(0),
        push: null,
      };
      const conversation = { app_id: "a", floor_seq: 0, last_pos: 1, last_ms: tx.nowMs };
      const messages: Row<"message">[] = [];
      const add = (conversation_id: string, seq: number) => {
        const id = `${conversation_id}#${seq}`;
        messages.push({ ...row, conversation_id, seq, message_id: id, client_message_id: id });
      };
      for (let seq = 1; seq <= 1_200; seq++) add("g:long", seq);
      for (let at = 0; at < 250; at++) add(`g:short${at}`, 1);
      for (let at = 0; at < messages.length; at += 500)
        await tx.db
          .insertInto("message")
          .values(messages.slice(at, at + 500))
          .execute();
      const heads = [...new Set(messages.map((message) => message.conversation_id))].map((conversation_id) => ({
        ...conversation,
        conversation_id,
        head_seq: conversation_id === "g:long" ? 1_200 : 1,
      }));
      await tx.db.insertInto("conversation").values(heads).execute();
    });
    world.clock.advance(8 * DAY);
    const retention = world.start();
    expect(await retention.runNow()).toMatchObject({ hidden: 1_450, deleted: 1_450 });
    expect(await world.rows.message()).toEqual([]);
    for (const { floor_seq, head_seq } of await world.rows.conversation()) expect(floor_seq).toBe(head_seq);
    await retention.close();
  });
});

describe("the housekeeping of retention", () => {
  test("ends expired sessions, telling them, and forgets single-use tokens and answers whose time is over", async () => {
    const world = await createWorld();
    await world.run(async (tx) => {
      const at = (ms: number) => tx.nowMs + ms;
      const session = {
        app_id: "a",
        user_id: "tom",
        installation_id: "",
        platform: 0,
        create_ms: 0,
        used_ms: 0,
        acked_pos: 0,
      };
      for (const [id, ms] of [
        ["old", DAY],
        ["new", 2 * DAY],
      ] as const) {
        await tx.db
          .insertInto("session")
          .values({ ...session, session_id: id, token_hash: id, expire_ms: at(ms) })
          .execute();
        await tx.db
          .insertInto("used_token")
          .values({ app_id: "a", token_id: id, expire_ms: at(ms) })
          .execute();
        const answer = { request_id: "r", request_hash: Buffer.alloc(1), response: Buffer.alloc(1), expire_ms: at(ms) };
        await tx.db
          .insertInto("answered")
          .values({ app_id: "a", user_id: id, ...answer })
          .execute();
      }
    });
    const retention = world.start();
    world.clock.advance(DAY - 1);
    expect((await retention.runNow()).sessions).toBe(0);
    world.clock.advance(1);
    expect((await retention.runNow()).sessions).toBe(1);
    expect((await world.rows.session()).map((row) => row.session_id)).toEqual(["new"]);
    expect((await world.rows.used_token()).map((row) => row.token_id)).toEqual(["new"]);
    expect((await world.rows.answered()).map((row) => row.user_id)).toEqual(["new"]);
    expect((await world.rows.audience()).map((row) => row.audience)).toEqual(["s:old"]);
    expect(world.forget.mock.calls).toEqual([["a", "old"]]);
    await retention.close();
  });

  test("runs shortly after the start and then at its interval, until it is closed", async () => {
    const world = await createWorld({ eventRetentionMs: DAY });
    const settled = () => vi.waitFor(() => expect(world.clock.pending).toBe(1), { interval: 1 });
    const retention = world.start();
    for (let minute = 0; minute < 3; minute++) {
      await world.emit(1, "u:tom");
      world.clock.advance(DAY + 1);
      await settled();
      await retention.runNow();
      expect((await world.state()).floor).toBe(minute + 1);
    }
    await retention.close();
    expect(world.clock.pending).toBe(0);
    expect(await retention.runNow()).toMatchObject({ stopped: undefined, events: 0 });
  });

  test("close in the middle of a run ends it at its next step", async () => {
    const world = await createWorld({ eventRetentionMs: DAY });
    await world.emit(5_000, "u:tom");
    world.clock.advance(2 * DAY);
    const retention: Retention = world.start({ onFloor: () => void retention.close() });
    expect((await retention.runNow()).events).toBe(1_000);
    expect((await world.state()).floor).toBe(1_000);
    expect(world.clock.pending).toBe(0);
  });

  test("a failing run is told and the next one goes on", async () => {
    const world = await createWorld({ eventRetentionMs: DAY });
    await world.emit(1, "u:tom");
    world.clock.advance(2 * DAY);
    let fails = true;
    const run = world.temp.committer.run;
    world.temp.committer.run = (appId, work) => (fails ? Promise.reject(new Error("no")) : run(appId, work));
    const retention = world.start();
    world.clock.advance(5_000);
    await vi.waitFor(() => expect(world.lines).toMatchObject([{ level: "warn" }]), { interval: 1 });
    fails = false;
    expect((await retention.runNow()).events).toBe(1);
    await retention.close();
  });
});

describe("the guard of retention", () => {
  /** A world of which most is old, with a run in the past. */
  async function aged(events: number) {
    const world = await createWorld({ eventRetentionMs: 7 * DAY, historyRetentionMs: 0 });
    await world.emit(events, "u:tom");
    const first = world.start();
    expect((await first.runNow()).stopped).toBeUndefined();
    await first.close();
    return world;
  }
  const floor = async (world: Awaited<ReturnType<typeof createWorld>>) => (await world.state()).floor;

  test("a clock that leaps ahead in a running process stops it, until it is set right", async () => {
    const world = await aged(10);
    const retention = world.start();
    world.clock.setWall(world.clock.now() + HOUR + 1);
    expect((await retention.runNow()).stopped).toContain("restart the server");
    world.clock.setWall(world.clock.now() + 365 * DAY);
    world.clock.advance(60_000);
    expect((await retention.runNow()).stopped).toContain("8761 h");
    expect(await floor(world)).toBe(0);
    world.clock.setWall(world.clock.now() - 365 * DAY - 2);
    expect((await retention.runNow()).stopped).toBeUndefined();
    await retention.close();
  });

  test("a clock that creeps within the hour, and long times that pass on both clocks, are no leap", async () => {
    const world = await aged(10);
    const retention = world.start();
    for (let i = 0; i < 10; i++) {
      world.clock.setWall(world.clock.now() + HOUR - 1);
      world.clock.advance(30 * DAY);
      expect((await retention.runNow()).stopped).toBeUndefined();
    }
    expect(await floor(world)).toBe(10);
    await retention.close();
  });

  test("a clock that goes back stops it, in the process and after a restart", async () => {
    const world = await aged(10);
    const retention = world.start();
    world.clock.setWall(world.clock.now() - HOUR - 1);
    expect((await retention.runNow()).stopped).toContain("behind");
    await retention.close();
    const restarted = world.start();
    expect((await restarted.runNow()).stopped).toContain("PARLEY_RETENTION_FORCE");
    world.clock.advance(2);
    expect((await restarted.runNow()).stopped).toBeUndefined();
    await restarted.close();
  });

  test("an hour's stop and a quiet week pass, however much is old", async () => {
    for (const gap of [HOUR, 8 * DAY]) {
      const world = await aged(1_500);
      world.clock.advance(gap);
      const retention = world.start();
      expect((await retention.runNow()).stopped).toBeUndefined();
      expect(await floor(world)).toBe(gap > 7 * DAY ? 1_500 : 0);
      await retention.close();
    }
  });

  test("a leap over a restart that would take much of an app stops it, and new events do not talk it round", async () => {
    const world = await aged(1_000);
    world.clock.advance(8 * DAY + 1);
    const retention = world.start();
    expect((await retention.runNow()).stopped).toContain("PARLEY_RETENTION_FORCE");
    await world.emit(20_000, "u:tom");
    expect((await retention.runNow()).stopped).toContain("PARLEY_RETENTION_FORCE");
    expect(await floor(world)).toBe(0);
    await retention.close();
    const forced = world.start({ force: true });
    expect(await forced.runNow()).toMatchObject({ stopped: undefined, events: 1_000 });
    await forced.close();
    const next = world.start();
    expect((await next.runNow()).stopped).toBeUndefined();
    await next.close();
  });

  test.each([
    { name: "fewer events than many", old: 999, fresh: 0 },
    { name: "a fifth of them", old: 300, fresh: 1_200 },
  ])("a long gap passes where it would take $name", async ({ old, fresh }) => {
    const world = await aged(old);
    world.clock.advance(8 * DAY + 1);
    if (fresh > 0) await world.emit(fresh, "u:tom");
    const retention = world.start();
    expect(await retention.runNow()).toMatchObject({ stopped: undefined, events: old });
    await retention.close();
  });

  test("one event more than a fifth does not", async () => {
    const world = await aged(301);
    world.clock.advance(8 * DAY + 1);
    await world.emit(1_200, "u:tom");
    const retention = world.start();
    expect((await retention.runNow()).stopped).toBeDefined();
    await retention.close();
  });

  test("history is guarded where the events are kept for ever", async () => {
    const world = await createWorld({ eventRetentionMs: 0, historyRetentionMs: 7 * DAY });
    for (let i = 0; i < 1_000; i += 100) await Promise.all(Array.from({ length: 100 }, () => world.send("tom", "ann")));
    const first = world.start();
    await first.runNow();
    await first.close();
    world.clock.advance(30 * DAY);
    const retention = world.start();
    expect((await retention.runNow()).stopped).toBeDefined();
    expect(await world.rows.message()).toHaveLength(1_000);
    await retention.close();
  });

  test("a stop is told as an error, once an hour, with what to do", async () => {
    const world = await aged(10);
    const retention = world.start();
    world.clock.setWall(world.clock.now() + 10 * DAY);
    for (let minute = 0; minute < 100; minute++) {
      world.clock.advance(60_000);
      await retention.runNow();
    }
    const errors = world.lines.filter((line) => line.level === "error");
    expect(errors).toHaveLength(2);
    expect(errors[0]?.reason).toMatch(/correct the clock .* restart the server/);
    await retention.close();
  });
});
