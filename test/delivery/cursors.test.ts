import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { ResyncReason } from "@parley/proto/parley/v1/message_service_pb.js";
import Database from "better-sqlite3";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { decodeCursor, encodeCursor } from "../../server/src/store/cursor.js";
import {
  newUser,
  refusal,
  startTestServer,
  subscribe,
  type TestServer,
  type TestUser,
  withToken,
} from "../support/index.js";
import {
  count,
  metric,
  must,
  newDevice,
  newPair,
  otherApp,
  say,
  says,
  streamFailure,
  textsOf,
  toUser,
} from "../support/messaging.js";
import { figure } from "../support/proofs/figure.js";
import { longTimeout, seed, sized } from "../support/proofs/tier.js";
import { random } from "../support/random.js";
import { TEMP_PARENT } from "../support/temp-parent.js";

// Lost history is logged as an error; here it is meant.
const quiet = { logLevel: "silent" } as const;

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer({ settings: quiet });
});
afterAll(() => server.close());

/** A user on another address: the server came back on another port. */
const at = (place: TestServer, user: TestUser): TestUser => ({ ...user, rpc: withToken(place, user.token) });
const cursorOf = async (user: TestUser) => (await user.rpc.message.listEvents({})).cursor;

/** Opens a stream that must not resume, tells why, and sees that it starts at the head. */
async function resyncOf(user: TestUser, cursor: string): Promise<string> {
  const stream = await subscribe(user, { cursor });
  expect(stream.frames.map((frame) => frame.case)).toEqual(["started", "resyncRequired", "caughtUp"]);
  const started = await stream.frame("started");
  expect(started).toMatchObject({ resumed: false, cursor: await cursorOf(user) });
  expect((await stream.frame("caughtUp")).cursor).toBe(started.cursor);
  await stream.close();
  return ResyncReason[(await stream.frame("resyncRequired")).reason];
}

/** What Subscribe, ListEvents and AckEvents make of a cursor that none of them may honour. */
async function answersTo(user: TestUser, cursor: string): Promise<string[]> {
  const { message } = user.rpc;
  const refusals = [refusal(message.listEvents({ cursor })), refusal(message.ackEvents({ cursor }))];
  return [await resyncOf(user, cursor), ...(await Promise.all(refusals)).map(({ reason }) => reason)];
}

/** The texts a stream replays from a cursor that must be honoured. */
async function resumed(user: TestUser, cursor: string): Promise<string[]> {
  const stream = await subscribe(user, { cursor });
  expect(await stream.frame("started")).toMatchObject({ resumed: true, cursor });
  await stream.close();
  return textsOf(stream.events());
}

describe("S11: a cursor that cannot be honoured is told, never passed over (P4)", () => {
  test("malformed, cut, lengthened, and with any bits flipped", { timeout: longTimeout }, async (context) => {
    const by = seed();
    const dice = random(by);
    const [tom, jerry] = await newPair(server);
    await say(tom, toUser(jerry.userId), "x");
    const cursor = await cursorOf(jerry);
    await say(tom, toUser(jerry.userId), "must not be told");
    const bytes = Buffer.from(cursor, "base64url");
    const cuts = count(cursor.length - 1).map((length) => cursor.slice(0, length));
    const others = ["nonsense", `${cursor}A`, `${cursor}=`, `${cursor}${cursor}`, "é漢", " ", cursor.toLowerCase()];
    const single = sized(24, bytes.length * 8);
    const flipped = count(sized(60, 1000)).map((at) => {
      const copy = Buffer.from(bytes);
      // First each bit alone, in tier 1 some of them, then several.
      const bits =
        at <= single
          ? [Math.floor((at * bytes.length * 8) / single) - 1]
          : count(1 + dice(8)).map(() => dice(bytes.length * 8));
      for (const bit of bits) copy[bit >> 3] = must(copy[bit >> 3]) ^ (1 << (bit & 7));
      return copy.toString("base64url");
    });
    // A bit that is flipped twice is not.
    const bad = [...cuts, ...others, ...flipped].filter((altered) => altered !== cursor);
    const devices = await Promise.all(count(8).map(() => newDevice(server, jerry)));
    const left = [...bad];
    await Promise.all(
      devices.map(async (device) => {
        for (let altered = left.pop(); altered !== undefined; altered = left.pop())
          expect([by, altered, await answersTo(device, altered)]).toEqual([
            by,
            altered,
            ["INVALID", "CURSOR_INVALID", "CURSOR_INVALID"],
          ]);
      }),
    );
    figure(context, `${bad.length} altered cursors, each by 3 calls: ${3 * bad.length} refused, 0 with data`);
  });

  test("and the stream is live from the head on", async () => {
    const [tom, jerry] = await newPair(server);
    const stream = await subscribe(jerry, { cursor: "nonsense" });
    await say(tom, toUser(jerry.userId), "live");
    await stream.event(says("live"));
    expect(stream.events()).toHaveLength(1);
    await stream.close();
  });

  test("of another app", async () => {
    const [app, tom] = [await otherApp(server), await newUser(server)];
    const foreign = await newUser(app);
    await say(foreign, toUser(foreign.userId), "x");
    expect(await answersTo(tom, await cursorOf(foreign))).toEqual(["INVALID", "CURSOR_INVALID", "CURSOR_INVALID"]);
  });

  test("ahead of the log, or of a history that this server does not know", async () => {
    const tom = await newUser(server);
    const place = must(decodeCursor(server.appId, await cursorOf(tom)));
    const before = await metric(server, "parley_history_changed_total");
    const ahead = encodeCursor(server.appId, { ...place, pos: place.pos + 1000 });
    const gone = ["HISTORY_CHANGED", "CURSOR_INVALID", "CURSOR_INVALID"];
    expect(await answersTo(tom, ahead)).toEqual(gone);
    const unknown = encodeCursor(server.appId, { ...place, generationId: "00112233aabbccdd" });
    expect(await answersTo(tom, unknown)).toEqual(gone);
    expect(await metric(server, "parley_history_changed_total")).toBe(before + 6);
  });

  test("longer than a cursor can be", async () => {
    const tom = await newUser(server);
    const cursor = "x".repeat(257);
    expect(await refusal(streamFailure(tom, { cursor }))).toMatchObject({ reason: "TOO_LARGE", field: "cursor" });
  });

  test("another user's cursor is only a place: one's own events follow it", async () => {
    const [tom, jerry] = await newPair(server);
    const cursor = await cursorOf(tom);
    await say(tom, toUser(tom.userId), "tom's own");
    await say(tom, toUser(jerry.userId), "for jerry");
    expect(await resumed(jerry, cursor)).toEqual(["for jerry"]);
    expect(textsOf((await jerry.rpc.message.listEvents({ cursor })).events)).toEqual(["for jerry"]);
    await jerry.rpc.message.ackEvents({ cursor });
  });

  test("older than the log reaches back", async () => {
    let own = await startTestServer({ settings: quiet });
    const [tom, jerry] = await newPair(own);
    const old = await cursorOf(jerry);
    for (const words of ["a", "b", "c", "d"]) await say(tom, toUser(jerry.userId), words);
    const stream = await subscribe(jerry, { cursor: old });
    const [, second] = stream.events();
    await stream.close();
    await own.running.close();
    const floor = must(decodeCursor(own.appId, must(second).cursor)).pos;
    const database = new Database(join(own.dataDir, "parley.db"));
    for (const table of ["event", "audience"])
      database.prepare(`delete from ${table} where app_id = ? and pos <= ?`).run(own.appId, floor);
    database.prepare("update app_log set floor_pos = ? where app_id = ?").run(floor, own.appId);
    database.close();
    own = await own.restart();
    const again = at(own, jerry);
    expect(await answersTo(again, old)).toEqual(["EXPIRED", "CURSOR_EXPIRED", "CURSOR_EXPIRED"]);
    expect(await resumed(again, must(second).cursor)).toEqual(["c", "d"]);
    await own.close();
  });
});

describe("S11: cursors over restarts and lost histories (P8)", () => {
  test("restarts cost nobody anything: cursors of every earlier run go on exactly", async () => {
    let own = await startTestServer({ settings: quiet });
    const [tom, jerry] = await newPair(own);
    const cursors: string[] = [await cursorOf(jerry)];
    for (const run of count(4)) {
      // The third run writes nothing.
      if (run !== 3) await say(at(own, tom), toUser(jerry.userId), `run ${run}`);
      cursors.push(await cursorOf(at(own, jerry)));
      own = await own.restart();
    }
    const all = ["run 1", "run 2", "run 4"];
    const expected = [all, all.slice(1), all.slice(2), all.slice(2), []];
    for (const [run, cursor] of cursors.entries()) expect(await resumed(at(own, jerry), cursor)).toEqual(expected[run]);
    await say(at(own, tom), toUser(jerry.userId), "last");
    for (const [run, cursor] of cursors.entries())
      expect(await resumed(at(own, jerry), cursor)).toEqual([...must(expected[run]), "last"]);
    await own.close();
  });

  test.each(["stopped", "running"])(
    "after a copy made while the server was %s is put back, exactly those who saw lost events are told",
    async (state) => {
      const backup = mkdtempSync(join(TEMP_PARENT, "parley-backup-"));
      let own = await startTestServer({ settings: quiet });
      const [tom, jerry] = await newPair(own);
      const start = await cursorOf(jerry);
      await say(tom, toUser(jerry.userId), "kept");
      const kept = await cursorOf(jerry);
      if (state === "stopped") {
        await own.running.close();
        cpSync(own.dataDir, backup, { recursive: true });
        own = await own.restart();
      } else {
        // The lost events are then of a generation that the copy knows.
        cpSync(own.dataDir, backup, { recursive: true, filter: (file) => !/parley[.](db|lock)/.test(file) });
        const database = new Database(join(own.dataDir, "parley.db"), { readonly: true });
        await database.backup(join(backup, "parley.db"));
        database.close();
      }
      for (const words of ["lost", "lost too"]) await say(at(own, tom), toUser(jerry.userId), words);
      const lost = await cursorOf(at(own, jerry));
      await own.running.close();
      rmSync(own.dataDir, { recursive: true });
      cpSync(backup, own.dataDir, { recursive: true });
      own = await own.restart();
      const [tom2, jerry2] = [at(own, tom), at(own, jerry)];
      const check = async (later: string[]) => {
        expect(await resumed(jerry2, start)).toEqual(["kept", ...later]);
        expect(await resumed(jerry2, kept)).toEqual(later);
        expect(await answersTo(jerry2, lost)).toEqual(["HISTORY_CHANGED", "CURSOR_INVALID", "CURSOR_INVALID"]);
      };
      await check([]);
      // The new history is as long as the lost one was, and longer: its positions are others.
      const later = ["new 1", "new 2", "new 3"];
      for (const [sent, words] of later.entries()) {
        await say(tom2, toUser(jerry.userId), words);
        await check(later.slice(0, sent + 1));
      }
      await own.close();
      rmSync(backup, { recursive: true });
    },
  );
});
