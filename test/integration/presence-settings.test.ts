import { createClient } from "@parley/client";
import { nodePlatform } from "@parley/client/node";
import { PresenceMode } from "@parley/proto/parley/v1/message_service_pb.js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { fakeClock } from "../support/fake-clock.js";
import {
  backend,
  eventually,
  newUser,
  refusal,
  startTestServer,
  subscribe,
  type TestServer,
  type TestStream,
  type TestUser,
  withToken,
} from "../support/index.js";
import { count, must, newDevice, newGuest, newUsers, say, says, toUser } from "../support/messaging.js";
import { figure } from "../support/proofs/figure.js";
import { seed, sized } from "../support/proofs/tier.js";
import { random } from "../support/random.js";
import { refused } from "./watching.js";

const clock = fakeClock();
let server: TestServer;
beforeAll(async () => {
  server = await startTestServer({ clock });
  await backend(server).admin.updateSettings({ settings: { allowNotifyEveryone: true } });
});
afterAll(() => server.close());

/** Tom and Jerry, who are friends, and Spike, who is neither's. */
async function cast(): Promise<[TestUser, TestUser, TestUser]> {
  const users = (await newUsers(server, ["tom", "jerry", "spike"])) as [TestUser, TestUser, TestUser];
  await users[0].rpc.friend.addFriend({ userId: users[1].userId });
  return users;
}

/** Lets what was held back be told: of one user one change in 5 s. */
const tell = () => clock.advance(5_000);

/** What a stream was told of a user, "on" and "off", of those told to everyone with a star. */
const told = (stream: TestStream, { userId }: TestUser): string[] =>
  stream
    .events()
    .flatMap(({ event }) =>
      event.case === "presenceChanged" && event.value.userId === userId
        ? [`${event.value.online ? "on" : "off"}${event.value.toEveryone ? "*" : ""}`]
        : [],
    );

/** The same once all that was under way has come. */
async function toldBy(stream: TestStream, reader: TestUser, of: TestUser): Promise<string[]> {
  const mark = `mark ${Math.random()}`;
  await say(reader, toUser(reader.userId), mark);
  await stream.event(says(mark));
  return told(stream, of);
}

const onlineTo = async (user: TestUser, { userId }: TestUser) =>
  (await user.rpc.user.getPresence({ userId })).presence?.online;

describe("invisible", () => {
  test("takes effect at once on all devices, in both directions; streams receive all the same", async () => {
    const [tom, jerry] = await cast();
    const phone = await newDevice(server, jerry);
    const watcher = await subscribe(tom);
    const streams = [await subscribe(jerry), await subscribe(phone)];
    tell();
    expect((await phone.rpc.user.updatePresenceSettings({ invisible: true })).settings).toMatchObject({
      invisible: true,
    });
    expect(await onlineTo(tom, jerry)).toBe(false);
    expect(await onlineTo(jerry, jerry)).toBe(false);
    expect(await toldBy(watcher, tom, jerry)).toEqual(["on", "off"]);
    await say(tom, toUser(jerry.userId), "still there?");
    for (const stream of streams) await stream.event(says("still there?"));
    // A new stream that says it is online, and one that comes back, change nothing.
    const tablet = await newDevice(server, jerry);
    streams.push(await subscribe(tablet, { presence: PresenceMode.ONLINE }));
    tell();
    expect([await onlineTo(tom, jerry), await toldBy(watcher, tom, jerry)]).toEqual([false, ["on", "off"]]);
    expect((await tom.rpc.friend.getFriend({ userId: jerry.userId })).friend?.online).toBe(false);
    const late = await subscribe(await newDevice(server, tom));
    expect(told(late, jerry)).toEqual([]);
    await jerry.rpc.user.updatePresenceSettings({ invisible: false });
    expect(await onlineTo(tom, jerry)).toBe(true);
    await eventually(() => expect(told(watcher, jerry)).toEqual(["on", "off", "on"]));
    for (const stream of [...streams, watcher, late]) await stream.close();
  });

  test("is kept, over a pause, a login and a restart of the server", async () => {
    const own = fakeClock();
    let place = await startTestServer({ clock: own });
    const [tom, jerry] = (await newUsers(place, ["tom", "jerry"])) as [TestUser, TestUser];
    await tom.rpc.friend.addFriend({ userId: jerry.userId });
    const first = await subscribe(jerry);
    await jerry.rpc.user.updatePresenceSettings({ invisible: true });
    await jerry.rpc.message.pauseSession({});
    await first.ended;
    const again = await subscribe(await newDevice(place, jerry));
    expect(await onlineTo(tom, jerry)).toBe(false);
    place = await place.restart();
    const [tom2, jerry2] = [tom, jerry].map((user) => ({ ...user, rpc: withToken(place, user.token) })) as [
      TestUser,
      TestUser,
    ];
    expect(await onlineTo(tom2, jerry2)).toBe(false);
    const back = await subscribe(jerry2);
    own.advance(60_000);
    expect(await onlineTo(tom2, jerry2)).toBe(false);
    const { settings } = await jerry2.rpc.user.getPresenceSettings({});
    expect(settings).toMatchObject({ invisible: true, notifyEveryone: false });
    await back.close();
    await again.close();
    await place.close();
  });

  test("a stream that itself wants to be invisible stays so when the setting is taken back", async () => {
    const [tom, jerry] = await cast();
    const hidden = await subscribe(jerry, { presence: PresenceMode.INVISIBLE });
    await jerry.rpc.user.updatePresenceSettings({ invisible: true });
    await jerry.rpc.user.updatePresenceSettings({ invisible: false });
    expect(await onlineTo(tom, jerry)).toBe(false);
    await hidden.close();
  });

  test("changes are few: five in one go and then one in five seconds", async () => {
    const own = fakeClock();
    const place = await startTestServer({ clock: own, settings: { sendRate: 20 } });
    const user = await newUser(place);
    const change = (at: number) => user.rpc.user.updatePresenceSettings({ invisible: at % 2 === 0 });
    for (const at of count(5)) await change(at);
    expect((await refusal(change(6))).detail).toMatchObject({ retryable: true });
    own.advance(4_999);
    expect(await refused(change(6))).toMatchObject({ reason: "RATE_LIMITED" });
    own.advance(1);
    await change(6);
    await place.close();
  });
});

describe("notify_everyone", () => {
  test("tells all who are here of one's coming and going, guests too; friends first and marked apart", async () => {
    const [tom, jerry, spike] = await cast();
    const guest = await newGuest(server);
    await jerry.rpc.user.updatePresenceSettings({ notifyEveryone: true });
    const [friend, stranger, visitor] = [await subscribe(tom), await subscribe(spike), await subscribe(guest)];
    const stream = await subscribe(jerry);
    await eventually(() => expect(told(visitor, jerry)).toEqual(["on*"]));
    expect(await toldBy(stranger, spike, jerry)).toEqual(["on*"]);
    expect(await toldBy(friend, tom, jerry)).toEqual(["on", "on*"]);
    // It may be polled by everybody, as it is told to everybody.
    expect([await onlineTo(spike, jerry), await onlineTo(guest, jerry)]).toEqual([true, true]);
    tell();
    await jerry.rpc.message.pauseSession({});
    await stream.ended;
    await eventually(() => expect(told(stranger, jerry)).toEqual(["on*", "off*"]));
    for (const each of [friend, stranger, visitor]) await each.close();
  });

  test("turned on it tells that one is here, turned off that one is gone; invisible wins", async () => {
    const [tom, jerry, spike] = await cast();
    const [friend, stranger] = [await subscribe(tom), await subscribe(spike)];
    const stream = await subscribe(jerry);
    expect(await toldBy(stranger, spike, jerry)).toEqual([]);
    await jerry.rpc.user.updatePresenceSettings({ notifyEveryone: true });
    expect(await toldBy(stranger, spike, jerry)).toEqual(["on*"]);
    await jerry.rpc.user.updatePresenceSettings({ notifyEveryone: false });
    expect(await toldBy(stranger, spike, jerry)).toEqual(["on*", "off*"]);
    expect(await refused(spike.rpc.user.getPresence(jerry))).toMatchObject({ reason: "NOT_FRIEND" });
    expect(await onlineTo(tom, jerry)).toBe(true);
    tell();
    await jerry.rpc.user.updatePresenceSettings({ notifyEveryone: true, invisible: true });
    expect(await toldBy(stranger, spike, jerry)).toEqual(["on*", "off*", "off*"]);
    expect((await toldBy(friend, tom, jerry)).filter((what) => !what.endsWith("*"))).toEqual(["on", "off"]);
    expect(await onlineTo(spike, jerry)).toBe(false);
    for (const each of [friend, stranger, stream]) await each.close();
  });

  test("only where the app allows it, also for those who turned it on before", async () => {
    const own = fakeClock();
    const place = await startTestServer({ clock: own });
    const [jerry, spike] = (await newUsers(place, ["jerry", "spike"])) as [TestUser, TestUser];
    const on = () => jerry.rpc.user.updatePresenceSettings({ notifyEveryone: true });
    expect(await refused(on())).toEqual({ code: "PermissionDenied", reason: "ROLE_TOO_LOW", field: "notify_everyone" });
    await backend(place).admin.updateSettings({ settings: { allowNotifyEveryone: true } });
    await on();
    await backend(place).admin.updateSettings({ settings: { allowNotifyEveryone: false } });
    const stranger = await subscribe(spike);
    const stream = await subscribe(jerry);
    expect(await toldBy(stranger, spike, jerry)).toEqual([]);
    expect(await refused(spike.rpc.user.getPresence(jerry))).toMatchObject({ reason: "NOT_FRIEND" });
    for (const each of [stranger, stream]) await each.close();
    await place.close();
  });

  test("a desk that flaps costs every stream two events, not a hundred", async (context) => {
    const [, jerry, spike] = await cast();
    await jerry.rpc.user.updatePresenceSettings({ notifyEveryone: true });
    const stranger = await subscribe(spike);
    for (const _ of count(20)) {
      const stream = await subscribe(jerry);
      await jerry.rpc.message.pauseSession({});
      await stream.ended;
      clock.advance(10);
    }
    clock.advance(60_000);
    expect(await toldBy(stranger, spike, jerry)).toEqual(["on*", "off*"]);
    figure(context, "40 changes of a desk in 0.2 s told to everyone as 2");
    await stranger.close();
  });

  test("the SDK tells of somebody, and of a friend as a friend alone", async () => {
    const [tom, jerry, spike] = await cast();
    const heard: string[] = [];
    const clients = [];
    for (const [name, { userId }] of [
      ["tom", tom],
      ["spike", spike],
    ] as const) {
      const { sessionToken } = await backend(server).admin.createSession({ userId });
      const platform = nodePlatform({ httpVersion: "1.1" });
      const client = createClient({ baseUrl: server.url, appId: server.appId, clientKey: server.clientKey, platform });
      for (const event of ["friendOnline", "friendOffline", "someoneOnline", "someoneOffline"] as const)
        client.on(event, (who) => void (who.userId === jerry.userId && heard.push(`${name} ${event}`)));
      await client.login({ sessionToken });
      await eventually(() => expect(client.state.name).toBe("live"));
      clients.push(client);
    }
    const own = must(clients[1]).users;
    expect(await own.getPresenceSettings()).toMatchObject({ invisible: false });
    await backend(server).as(jerry.userId).user.updatePresenceSettings({ notifyEveryone: true });
    const stream = await subscribe(jerry);
    await eventually(() => expect(heard.toSorted()).toEqual(["spike someoneOnline", "tom friendOnline"]));
    tell();
    await jerry.rpc.message.pauseSession({});
    await stream.ended;
    await eventually(() => expect(heard.slice(2).sort()).toEqual(["spike someoneOffline", "tom friendOffline"]));
    expect(await own.setPresence({ invisible: true })).toMatchObject({ invisible: true });
    for (const client of clients) await client.close();
  });
});

describe("both settings on two devices that come and go", () => {
  const from = seed();
  const SEQUENCES = sized(12, 300);
  const STEPS = 12;

  test(
    `friends and strangers end up with what a small model says (seed ${from})`,
    async (context) => {
      let looks = 0;
      for (let run = 0; run < SEQUENCES; run++) {
        const below = random(from + run);
        const [tom, jerry, spike] = await cast();
        const [friend, stranger] = [await subscribe(tom), await subscribe(spike)];
        const devices = [jerry, await newDevice(server, jerry)];
        const open: (TestStream | undefined)[] = [undefined, undefined];
        const model = { visible: [false, false], invisible: false, notifyEveryone: false };
        const steps: string[] = [];
        for (let step = 0; step < STEPS; step++) {
          const at = below(2);
          const device = must(devices[at]);
          const does = must(["online", "hidden", "pause", "invisible", "everyone", "wait"][below(6)]);
          steps.push(`${does} ${at}`);
          if (does === "wait") clock.advance(must([100, 3_000, 7_000][below(3)]));
          else if (does === "pause") {
            await device.rpc.message.pauseSession({});
            await open[at]?.ended;
            [open[at], model.visible[at]] = [undefined, false];
          } else if (does === "invisible") {
            model.invisible = !model.invisible;
            await device.rpc.user.updatePresenceSettings({ invisible: model.invisible });
          } else if (does === "everyone") {
            model.notifyEveryone = !model.notifyEveryone;
            await device.rpc.user.updatePresenceSettings({ notifyEveryone: model.notifyEveryone });
          } else {
            open[at] = await subscribe(device, {
              presence: does === "online" ? PresenceMode.ONLINE : PresenceMode.INVISIBLE,
            });
            model.visible[at] = does === "online";
          }
          const online = model.visible.includes(true) && !model.invisible;
          expect(await onlineTo(tom, jerry), steps.join(", ")).toBe(online);
          looks += 1;
        }
        clock.advance(10_000);
        const online = model.visible.includes(true) && !model.invisible;
        const seen = (await toldBy(friend, tom, jerry)).filter((what) => !what.endsWith("*"));
        expect(seen.at(-1) ?? "off", steps.join(", ")).toBe(online ? "on" : "off");
        const told = await toldBy(stranger, spike, jerry);
        expect(
          told.filter((what) => !what.endsWith("*")),
          steps.join(", "),
        ).toEqual([]);
        expect(told.at(-1) ?? "off*", steps.join(", ")).toBe(online && model.notifyEveryone ? "on*" : "off*");
        for (const stream of [...open, friend, stranger]) await stream?.close();
        clock.advance(20_000);
      }
      figure(context, `${SEQUENCES} sequences on two devices: ${looks} looks and all that was told as the model says`);
    },
    sized(120_000, 1_800_000),
  );
});
