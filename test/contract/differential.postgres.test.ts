import { ConnectError } from "@connectrpc/connect";
import { ErrorDetailSchema } from "@parley/proto/parley/v1/error_detail_pb.js";
import fc from "fast-check";
import { expect, test } from "vitest";
import { checkLog } from "../../server/src/store/check-log.js";
import { decodeCursor } from "../../server/src/store/cursor.js";
import { databaseOf } from "../support/database.js";
import { type FakeClock, fakeClock } from "../support/fake-clock.js";
import { backend, startTestServer, type TestServer } from "../support/index.js";
import { eventsAfter, otherApp } from "../support/messaging.js";
import { openPool } from "../support/postgres.js";
import { seed, sized } from "../support/proofs/tier.js";
import { type Choices, COMMANDS, type Side, START_S, USERS } from "./differential-commands.js";

const RUNS = sized(3, 200);
const LENGTH = sized(100, 300);

test("the same commands get the same answers and events on SQLite and on PostgreSQL", async () => {
  const clock = fakeClock(START_S * 1000);
  const options = { clock, limits: { serviceSendsPerSecond: 1e9 } };
  const sqlite = await startTestServer({ ...options, settings: { databaseUrl: undefined } });
  const postgres = await startTestServer(options);
  const number = fc.nat(999);
  const command = fc.tuple(fc.constantFrom(...Object.keys(COMMANDS)), fc.tuple(number, number, number, number));
  try {
    await fc.assert(
      fc.asyncProperty(fc.array(command, { minLength: LENGTH, maxLength: LENGTH }), async (commands) => {
        await compare(clock, [await newSide(sqlite), await newSide(postgres)], commands);
      }),
      { numRuns: RUNS, seed: seed(), endOnFailure: true },
    );
    const db = openPool((await databaseOf(postgres.dataDir)) ?? "");
    expect(await checkLog(db)).toEqual([]);
    await db.destroy();
  } finally {
    await sqlite.close();
    await postgres.close();
  }
}, 600_000);

async function newSide(server: TestServer): Promise<Side> {
  const app = await otherApp(server, { allowUserSearch: true });
  await backend(app).admin.batchUpsertUsers({ users: USERS.map((userId) => ({ userId })) });
  const cursors: string[] = [];
  for (const user of USERS) cursors.push((await backend(app).as(user).message.listEvents({})).cursor);
  return { server: app, groups: [], rooms: [], messages: [], cursors };
}

async function compare(clock: FakeClock, sides: [Side, Side], commands: [string, Choices][]): Promise<void> {
  const heard = sides.map(newNames);
  for (const [at, [name, choices]] of commands.entries()) {
    clock.advance(500);
    const [one, other] = await Promise.all(
      sides.map(async (side, i) => heard[i]?.(await outcomeOf(COMMANDS[name]?.(side, choices)))),
    );
    expect(other, `command ${at}: ${name}(${choices.join()})`).toEqual(one);
  }
  for (const [at, user] of USERS.entries()) {
    const [one, other] = await Promise.all(
      sides.map(async ({ server, cursors }, i) =>
        heard[i]?.(await outcomeOf(eventsAfter(backend(server).as(user), cursors[at] ?? ""))),
      ),
    );
    expect(other, `the events of ${user}`).toEqual(one);
  }
}

async function outcomeOf(call: Promise<unknown> | undefined): Promise<unknown> {
  try {
    return await call;
  } catch (error) {
    const failure = ConnectError.from(error);
    const [detail] = failure.findDetails(ErrorDetailSchema);
    // What was not foreseen must not pass for an answer because both servers gave it.
    if (detail === undefined) throw error;
    const { reason, field } = detail;
    return { code: failure.code, reason, field, message: failure.rawMessage };
  }
}

const ID = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g;

/** Turns what a server says into what every server says: ids by the order in which they were first heard, cursors by their position. */
function newNames({ server }: Side): (said: unknown) => unknown {
  const names = new Map<string, string>();
  const rename = (id: string) => {
    const name = names.get(id) ?? `id ${names.size}`;
    names.set(id, name);
    return name;
  };
  const clean = (key: string, value: unknown): unknown => {
    if (typeof value === "bigint") return String(value);
    if (typeof value !== "string") return value;
    if (key === "cursor") return decodeCursor(server.appId, value)?.pos ?? value;
    if (key === "nextPageToken") return value !== "";
    return value === server.appId ? "the app" : value.replace(ID, rename);
  };
  return (said) => JSON.parse(JSON.stringify(said, clean) ?? "null");
}
