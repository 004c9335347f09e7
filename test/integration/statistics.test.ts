import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { type GetStatisticsRequestSchema, StatisticsResolution } from "@parley/proto/parley/v1/admin_service_pb.js";
import type { StatisticsBucket } from "@parley/proto/parley/v1/statistics_pb.js";
import { afterEach, describe, expect, test } from "vitest";
import { fakeClock } from "../support/fake-clock.js";
import {
  type Address,
  backend,
  eventually,
  refusal,
  startTestServer,
  subscribe,
  type TestServer,
  type TestUser,
} from "../support/index.js";
import {
  millis,
  must,
  newDevice,
  newGroup,
  newRoom,
  newUsers,
  otherApp,
  say,
  text,
  toEveryone,
  toGroup,
  toRoom,
  toUser,
} from "../support/messaging.js";
import { freePort, spawnServer } from "../support/process-server.js";
import { tempFolder } from "../support/temp-store.js";

const { NOW, HOURLY, DAILY } = StatisticsResolution;
const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;

const servers: TestServer[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await server.close();
});
async function start(options: Parameters<typeof startTestServer>[0] = {}) {
  const server = await startTestServer(options);
  servers.push(server);
  return server;
}

const ask = async (server: Address, request: MessageInitShape<typeof GetStatisticsRequestSchema> = {}) =>
  await backend(server).admin.getStatistics(request);

/** The day so far, without the time it began. */
async function today(server: Address): Promise<Omit<StatisticsBucket, "startTime">> {
  const { buckets } = await ask(server, { resolution: NOW });
  expect(buckets).toHaveLength(1);
  const { startTime: _, ...bucket } = must(buckets[0]);
  return bucket;
}

/** Does one of everything, and gives what is to be counted of it. */
async function useEverything(server: TestServer) {
  const [a, b, c] = (await newUsers(server, ["tom", "jerry", "spike"])) as [TestUser, TestUser, TestUser];
  await a.rpc.friend.addFriend({ userId: b.userId });
  const [group, room] = [await newGroup(a, [b, c]), await newRoom(a, [b])];
  const { admin } = backend(server);
  const url = "https://x.example/";
  for (const words of ["one", "two"]) await say(a, toUser(b.userId), words);
  await say(a, toUser(a.userId), "a note");
  await say(b, toUser(c.userId), "to a stranger");
  for (const words of ["to", "all", "here"]) await say(b, toGroup(group), words);
  await say(a, toRoom(room), "aloud");
  await say(a, toUser(b.userId), "by the way", { transient: true });
  for (const receiver of [toUser(a.userId), toGroup(group), toRoom(room), toEveryone])
    await admin.sendSystemMessage({ receiver, content: text("notice") });
  for (const content of [
    { case: "image", value: { url, sizeBytes: 1000 } },
    { case: "audio", value: { url, sizeBytes: 200 } },
    { case: "video", value: { url, sizeBytes: 4_000_000_000 } },
    { case: "file", value: { url, sizeBytes: 4_000_000_000 } },
    { case: "location", value: { latitude: 1 } },
    { case: "custom", value: { type: "t" } },
  ] as const)
    await a.rpc.message.sendMessage({ receiver: toUser(b.userId), content: { content } });
  // Neither a repeat nor a refusal is a message.
  await say(a, toUser(b.userId), "once", { clientMessageId: "once" });
  await say(a, toUser(b.userId), "once", { clientMessageId: "once" });
  await refusal(say(c, toUser("nobody-there"), "lost"));
  return {
    users: [a, b, c] as const,
    counted: {
      messages: { friends: 10, strangers: 1, groups: 3, rooms: 1, system: 4, transient: 1 },
      contents: { text: 14, image: 1, audio: 1, video: 1, file: 1, location: 1, custom: 1, notice: 0 },
      mediaBytes: 8_000_001_200n,
      newUsers: 3,
      // The third sent nothing and was not here.
      activeUsers: 2,
    },
  };
}

describe("statistics", () => {
  test("are what was done, at once and after a restart", async () => {
    const server = await start();
    const { counted } = await useEverything(server);
    expect(await today(server)).toMatchObject(counted);
    const again = await server.restart();
    servers.splice(0, 1, again);
    expect(await today(again)).toMatchObject(counted);
    // What is written is not counted a second time.
    const third = await again.restart();
    servers.splice(0, 1, third);
    expect(await today(third)).toMatchObject(counted);
  });

  test("are the same whether they wait, are being written or are written", async () => {
    const server = await start({ times: { countsPersistMs: 1 } });
    const [tom, jerry] = await newUsers(server, ["tom", "jerry"]);
    for (let at = 1; at <= 100; at += 1) {
      await say(must(tom), toUser(must(jerry).userId), "hello");
      expect(await today(server)).toMatchObject({ messages: { strangers: at }, activeUsers: 1, newUsers: 2 });
    }
  });

  test("are those of one app alone", async () => {
    const server = await start();
    const other = await otherApp(server);
    const [tom, jerry] = await newUsers(other, ["tom", "jerry"]);
    await say(must(tom), toUser(must(jerry).userId), "hello");
    expect(await today(server)).toMatchObject({ messages: { strangers: 0 }, newUsers: 0 });
    expect(await today(other)).toMatchObject({ messages: { strangers: 1 }, newUsers: 2 });
  });

  test("tell who is here now, and the most there were at one moment", async () => {
    const server = await start({ times: { presenceGraceMs: 1, presenceTellMs: 1 } });
    const [tom, jerry] = await newUsers(server, ["tom", "jerry"]);
    const [a, b] = [must(tom), must(jerry)];
    expect((await ask(server)).now).toMatchObject({ onlineUsers: 0, sessions: 0 });
    const streams = [await subscribe(a), await subscribe(await newDevice(server, a)), await subscribe(b)];
    expect((await ask(server)).now).toMatchObject({ onlineUsers: 2, sessions: 3 });
    for (const stream of streams) await stream.close();
    await eventually(async () => expect((await ask(server)).now).toMatchObject({ onlineUsers: 0, sessions: 0 }));
    // Being here is enough to be active.
    expect(await today(server)).toMatchObject({ peakOnlineUsers: 2, activeUsers: 2 });
  });
});

describe("buckets", () => {
  const midnight = Date.UTC(2030, 4, 1);
  const times = { retentionIntervalMs: 1e12, countsPersistMs: 10_000, sessionMs: 1e11 };

  test("are hours and days in UTC, without gaps, each with what happened in it", async () => {
    const clock = fakeClock(midnight - 1);
    const server = await start({ clock, times });
    const [tom, jerry] = await newUsers(server, ["tom", "jerry"]);
    const speak = () => say(must(tom), toUser(must(jerry).userId), "hello");
    await speak();
    clock.advance(1);
    await speak();
    await say(must(jerry), toUser(must(tom).userId), "hello");
    clock.advance(2 * HOUR_MS);
    await speak();
    const hours = (await ask(server, { resolution: HOURLY, fromTime: timestampFromMs(midnight - 2 * HOUR_MS) }))
      .buckets;
    expect(hours.map(({ startTime }) => (millis(startTime) - midnight) / HOUR_MS)).toEqual([-2, -1, 0, 1, 2]);
    expect(hours.map(({ messages }) => messages?.strangers)).toEqual([0, 1, 2, 0, 1]);
    expect(hours.map(({ newUsers }) => newUsers)).toEqual([0, 2, 0, 0, 0]);
    expect(hours.map(({ activeUsers }) => activeUsers)).toEqual([0, 0, 0, 0, 0]);
    const days = (await ask(server, { resolution: DAILY, fromTime: timestampFromMs(midnight - 1) })).buckets;
    expect(days.map(({ messages, newUsers, activeUsers }) => [messages?.strangers, newUsers, activeUsers])).toEqual([
      [1, 2, 1],
      [3, 0, 2],
    ]);
    expect((await ask(server, { resolution: HOURLY })).buckets).toHaveLength(24);
    expect((await ask(server, { resolution: DAILY })).buckets).toHaveLength(30);
  });

  test("count one who stays online on every day, and in the peak of every hour", async () => {
    const clock = fakeClock(midnight - 5_000);
    const server = await start({ clock, times });
    const [tom] = await newUsers(server, ["tom"]);
    const stream = await subscribe(must(tom));
    clock.advance(10_000);
    await eventually(async () => {
      const { buckets } = await ask(server, { resolution: DAILY, fromTime: timestampFromMs(midnight - 1) });
      expect(buckets.map(({ activeUsers, peakOnlineUsers }) => [activeUsers, peakOnlineUsers])).toEqual([
        [1, 1],
        [1, 1],
      ]);
    });
    await stream.close();
  });

  test("of hours are kept for 90 days, and of days for 3 years", async () => {
    const clock = fakeClock(midnight);
    const server = await start({
      clock,
      times: { ...times, retentionIntervalMs: 60_000 },
      settings: { retentionForce: true },
    });
    await newUsers(server, ["tom"]);
    const newcomers = async (resolution: StatisticsResolution) => {
      const [fromTime, toTime] = [timestampFromMs(midnight), timestampFromMs(midnight)];
      return must((await ask(server, { resolution, fromTime, toTime })).buckets[0]).newUsers;
    };
    const passed = async (days: number, left: number[]) => {
      // The wall clock alone, for the timers would ring a hundred million times.
      clock.setWall(midnight + days * DAY_MS);
      await eventually(async () => {
        clock.advance(60_000);
        expect([await newcomers(HOURLY), await newcomers(DAILY)]).toEqual(left);
      }, 30_000);
    };
    await passed(89, [1, 1]);
    await passed(92, [0, 1]);
    await passed(3 * 365, [0, 1]);
    await passed(3 * 365 + 2, [0, 0]);
  });

  test.each([
    ["an end before the beginning", HOURLY, midnight, midnight - 1],
    ["more than 31 days of hours", HOURLY, midnight, midnight + 31 * DAY_MS],
    ["more than 1,100 days", DAILY, midnight, midnight + 1100 * DAY_MS],
  ])("are not told for %s", async (_, resolution, fromMs, toMs) => {
    const server = await start();
    const [fromTime, toTime] = [timestampFromMs(fromMs), timestampFromMs(toMs)];
    expect(await refusal(ask(server, { resolution, fromTime, toTime }))).toMatchObject({
      reason: "INVALID_FIELD",
      field: "to_time",
    });
    // One less is told, though it lies in the future.
    if (toMs < fromMs) return;
    const { buckets } = await ask(server, { resolution, fromTime, toTime: timestampFromMs(toMs - 1) });
    expect(buckets).toHaveLength(resolution === HOURLY ? 744 : 1100);
  });
});

describe("after kill -9", () => {
  test("the stored messages are counted once, whenever it came", async () => {
    using folder = tempFolder();
    const port = await freePort();
    let server = await spawnServer({ dataDir: folder.path, port });
    const names = ["tom", "jerry", "spike"];
    for (const userId of names) await backend(server).admin.createSession({ userId });
    const as = (userId: string) => ({ rpc: backend(server).as(userId) });
    const group = await newGroup({ ...as("tom"), userId: "tom" } as never, [{ userId: "jerry" } as never]);
    await as("tom").rpc.friend.addFriend({ userId: "jerry" });
    let rounds = 0;
    const speak = async () => {
      rounds += 1;
      await say(as("tom"), toUser("jerry"), "friend");
      await say(as("spike"), toUser("jerry"), "stranger");
      await say(as("jerry"), toGroup(group), "group");
      await backend(server).admin.sendSystemMessage({ receiver: toEveryone, content: text("all") });
    };
    const counted = () => ({
      messages: { friends: rounds, strangers: rounds, groups: rounds, system: rounds },
      contents: { text: 4 * rounds },
      activeUsers: 3,
      newUsers: 3,
    });
    for (let life = 0; life < 3; life += 1) {
      for (let at = 0; at < 5; at += 1) await speak();
      await server.kill();
      server = await spawnServer({ dataDir: folder.path, port });
      await eventually(async () => expect(await today(server)).toMatchObject(counted()), 20_000);
      // Dead again before anything new: what was counted from the log stays counted.
      if (life % 2 === 0) continue;
      await server.kill();
      server = await spawnServer({ dataDir: folder.path, port });
    }
    await server.stop();
    server = await spawnServer({ dataDir: folder.path, port });
    expect(await today(server)).toMatchObject(counted());
    await server.stop();
  }, 120_000);
});
