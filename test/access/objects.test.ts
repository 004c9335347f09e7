import { create, fromBinary, type JsonObject, toBinary } from "@bufbuild/protobuf";
import { UpdateUserRequestSchema } from "@parley/proto/parley/v1/user_service_pb.js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { backend, startTestServer, subscribe, type TestServer, withToken } from "../support/index.js";
import {
  must,
  newGroup,
  newPair,
  newRoom,
  otherApp,
  say,
  says,
  textsOf,
  toGroup,
  toRoom,
  toUser,
} from "../support/messaging.js";
import { figure } from "../support/proofs/figure.js";
import { tempFolder } from "../support/temp-store.js";
import { bearer, call, METHODS } from "./call.js";
import { isStruct, pathText, withValue } from "./samples.js";
import { callerOf, fresh, furnish, samplesIn } from "./world.js";

/** Names that plain objects know already. */
const NAMES = ["__proto__", "constructor", "prototype", "toString", "valueOf", "hasOwnProperty", "toJSON", "then"];
const plain = Object.getOwnPropertyNames(Object.prototype).sort();

/** The server runs in this process, so its prototypes are ours. */
function expectUnpolluted(): void {
  expect(Object.getOwnPropertyNames(Object.prototype).sort()).toEqual(plain);
  expect(Object.keys({})).toEqual([]);
  expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
  expect(([] as unknown as { polluted?: unknown }).polluted).toBeUndefined();
}

/** Free data with names that a careless merge would follow. As text, since a literal would set the prototype. */
const POISON = `{${NAMES.map((name) => `"${name}":{"polluted":"yes","prototype":{"polluted":"yes"}}`).join(",")}}`;
const poison = () => JSON.parse(POISON) as JsonObject;

/** What such requests are refused for, whatever their free data hold: a case that is not offered, a secret that is made up, another user's profile. */
const REFUSALS = ["UNSUPPORTED", "INVALID_FIELD", "WRONG_CREDENTIAL", "LOGIN_DISABLED", "NOT_FOUND", "ROLE_TOO_LOW"];

describe("A15: names that plain objects know", () => {
  const folder = tempFolder();
  let server: TestServer;
  beforeAll(async () => {
    const limits = { changeBurst: 1e6, loginTries: 1e6 };
    server = await startTestServer({ limits, settings: { dataDir: folder.path } });
  });
  afterAll(async () => {
    await server.close();
    folder[Symbol.dispose]();
  });

  test("are plain data in the free data of every call", async (context) => {
    const world = await furnish(server);
    let places = 0;
    for (const method of METHODS.values())
      for (const sample of samplesIn(world, method))
        for (const place of sample.places.filter(isStruct)) {
          places += 1;
          const answer = await call(
            server.url,
            method,
            withValue(fresh(sample), place, poison()),
            callerOf(method, world),
          );
          const what = `${sample.name}: ${pathText(place)}`;
          if (!answer.ok) expect(REFUSALS, what).toContain(answer.reason);
          expectUnpolluted();
        }
    expect(places).toBeGreaterThan(15);
    figure(context, `${NAMES.length} names in ${places} places of free data: kept or refused, 0 prototypes changed`);
  });

  test("come back as they were given, from JSON and from binary", async () => {
    const [tom, jerry] = await newPair(server);
    const set = must(METHODS.get("UserService/UpdateUser"));
    const sent = `{"attributes":${POISON},"__proto__":{"displayName":"evil"},"constructor":{"prototype":{"polluted":1}}}`;
    expect(await call(server.url, set, sent, bearer(tom.token))).toMatchObject({ ok: true });
    const viaJson = await call(
      server.url,
      must(METHODS.get("UserService/GetUser")),
      { userId: tom.userId },
      bearer(jerry.token),
    );
    if (!viaJson.ok) throw new Error(viaJson.message);
    const user = viaJson.body.user as JsonObject;
    expect(JSON.stringify(user.attributes)).toBe(POISON);
    expect(user.displayName).toBeUndefined();
    const bytes = toBinary(UpdateUserRequestSchema, create(UpdateUserRequestSchema, { attributes: poison() }));
    expect(JSON.stringify(fromBinary(UpdateUserRequestSchema, bytes).attributes)).toBe(POISON);
    await jerry.rpc.user.updateUser({ attributes: poison() });
    expect(JSON.stringify((await tom.rpc.user.getUser({ userId: jerry.userId })).user?.attributes)).toBe(POISON);
    // What is merged, the settings, takes none of them.
    const settings = must(METHODS.get("AdminService/UpdateSettings"));
    const other = await otherApp(server);
    await call(
      server.url,
      settings,
      `{"settings":{"__proto__":{"allowBareIdLogin":false},"maxGroupMembers":9}}`,
      bearer(other.serviceKey),
    );
    expect((await backend(other).admin.getSettings({})).settings).toMatchObject({
      allowBareIdLogin: true,
      maxGroupMembers: 9,
    });
    expectUnpolluted();
  });

  test("are ids of users like any other", async () => {
    const { admin } = backend(server);
    const users = [];
    for (const userId of NAMES) {
      const { sessionToken: token, sessionId } = await admin.createSession({ userId });
      users.push({ userId, token, sessionId, rpc: withToken(server, token) });
    }
    const [tom, jerry, ...others] = users;
    if (tom === undefined || jerry === undefined) throw new Error("no users");
    await tom.rpc.friend.addFriend({ userId: jerry.userId });
    const [group, room] = [await newGroup(tom, [jerry, ...others]), await newRoom(tom, [jerry, ...others])];
    const streams = await Promise.all(users.map((user) => subscribe(user)));
    await say(tom, toUser(jerry.userId), "to you", { clientMessageId: "__proto__" });
    await say(jerry, toGroup(group), "to all", { clientMessageId: "constructor" });
    await say(jerry, toRoom(room), "aloud");
    for (const stream of streams) await stream.event(says("aloud"));
    expect(textsOf(must(streams[1]).events()).sort()).toEqual(["aloud", "to all", "to you"]);
    expect((await tom.rpc.friend.getFriend({ userId: jerry.userId })).friend?.userId).toBe(jerry.userId);
    expect((await tom.rpc.user.batchGetUsers({ userIds: NAMES })).users.map(({ userId }) => userId).sort()).toEqual(
      [...NAMES].sort(),
    );
    expect((await tom.rpc.user.getPresence({ userId: jerry.userId })).presence?.online).toBe(true);
    expect((await tom.rpc.group.getGroup({ groupId: group })).group?.memberUserIds).toHaveLength(NAMES.length);
    expect((await jerry.rpc.conversation.markRead({ peer: toUser(tom.userId) })).unreadCount).toBe(0);
    for (const stream of streams) await stream.close();
    expectUnpolluted();
  });

  test("ten thousand of them are too many, and as many as fit are kept", async () => {
    const [tom] = await newPair(server);
    const keys = (count: number) =>
      Object.fromEntries(Array.from({ length: count }, (_, at) => [`__proto__${at}`, at]));
    const set = must(METHODS.get("UserService/UpdateUser"));
    const many = await call(server.url, set, { attributes: keys(10_000) }, bearer(tom.token));
    expect(many).toMatchObject({ ok: false, reason: "TOO_LARGE", field: "attributes" });
    await tom.rpc.user.updateUser({ attributes: keys(500) });
    expect((await tom.rpc.user.getUser({ userId: tom.userId })).user?.attributes).toEqual(keys(500));
    const nested = (depth: number): JsonObject => (depth === 1 ? { end: 1 } : { __proto: nested(depth - 1) });
    expect(await call(server.url, set, { attributes: nested(17) }, bearer(tom.token))).toMatchObject({
      reason: "TOO_LARGE",
    });
    expect(await call(server.url, set, { attributes: nested(16) }, bearer(tom.token))).toMatchObject({ ok: true });
    expectUnpolluted();
  });
});
