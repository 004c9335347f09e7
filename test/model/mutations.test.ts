import { readdirSync } from "node:fs";
import { type DescService, equals } from "@bufbuild/protobuf";
import { MethodOptions_IdempotencyLevel as Idempotency } from "@bufbuild/protobuf/wkt";
import { StreamEventSchema } from "@parley/proto/parley/v1/stream_event_pb.js";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventually, openStream, startTestServer, type TestServer, type TestUser } from "../support/index.js";
import { eventsAfter, newDevice, newUsers } from "../support/messaging.js";
import { figure } from "../support/proofs/figure.js";
import { scriptedSender } from "../support/push.js";
import { applyEvents, type ToFetch } from "./apply-events.js";
import { type ClientState, fetchState } from "./apply-events-state.js";
import { ATTACHMENTS } from "./mutations-attachments.js";
import { ATTRIBUTES } from "./mutations-attributes.js";
import { worldOf } from "./mutations-case.js";
import { GROUPS } from "./mutations-groups.js";
import { INSTALLATIONS } from "./mutations-installations.js";
import { LOGINS } from "./mutations-logins.js";
import { MESSAGES } from "./mutations-messages.js";
import { MODERATION } from "./mutations-moderation.js";
import { OTHERS } from "./mutations-others.js";
import { PUSH_CREDENTIALS } from "./mutations-push-credentials.js";
import { USERS } from "./mutations-users.js";

const CASES = [
  ...MESSAGES,
  ...GROUPS,
  ...OTHERS,
  ...LOGINS,
  ...USERS,
  ...INSTALLATIONS,
  ...PUSH_CREDENTIALS,
  ...MODERATION,
  ...ATTRIBUTES,
  ...ATTACHMENTS,
];

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer({ pushSender: scriptedSender() });
});
afterAll(() => server.close());

/** Every unary method that may change something, of every service of the contract. */
async function mutatingMethods(): Promise<string[]> {
  const folder = new URL("../../gen/src/parley/v1/", import.meta.url);
  const files = readdirSync(folder).filter((name) => name.endsWith("_service_pb.ts"));
  const modules = await Promise.all(
    files.map((name) => import(`@parley/proto/parley/v1/${name.replace(".ts", ".js")}`)),
  );
  const services = modules
    .flatMap((module) => Object.values(module) as DescService[])
    .filter((value) => value?.kind === "service");
  return services.flatMap((service) =>
    service.methods
      .filter(({ methodKind, idempotency }) => methodKind === "unary" && idempotency !== Idempotency.NO_SIDE_EFFECTS)
      .map((method) => `${service.name}.${method.name}`),
  );
}

/** A user's view of the world from before a mutation on. */
async function watch(user: TestUser) {
  const { cursor } = await user.rpc.message.listEvents({});
  const stream = openStream(user, { cursor });
  const before = await fetchState(user);
  return {
    userId: user.userId,
    before,
    /** The events since then, by both of the ways they come. */
    async events() {
      const { events } = await eventsAfter(user.rpc, cursor);
      await eventually(() => {
        const live = stream.events().filter((event) => event.cursor !== "");
        const same =
          live.length === events.length &&
          live.every((event, at) => equals(StreamEventSchema, event, events[at] as never));
        if (!same) throw new Error(`Subscribe brought ${live.length} events and ListEvents ${events.length}`);
      });
      await stream.close();
      return events;
    },
    after: () => fetchState(user),
  };
}

/** Puts in what an application would have asked for. */
function withFetched(state: ClientState, after: ClientState, toFetch: ToFetch): ClientState {
  const filled = structuredClone(state);
  for (const [part, keys] of Object.entries(toFetch) as [keyof ToFetch, Set<string>][])
    for (const key of keys) {
      delete filled[part][key];
      const fetched = after[part][key];
      if (fetched !== undefined) filled[part][key] = fetched as never;
    }
  filled.unreadTotal = Object.values(filled.talks).reduce((sum, talk) => sum + talk.unreadCount, 0);
  return filled;
}

describe("M2: the state before, its events applied, is the state fetched after", () => {
  it("for every RPC that changes something", async (context) => {
    const methods = await mutatingMethods();
    expect([...new Set(CASES.map(({ rpc }) => rpc))].sort()).toEqual(methods.sort());
    figure(context, `${CASES.length} cases of all ${methods.length} mutating RPCs, each for up to 3 users`);
  });

  for (const { rpc, what, events: expected, watched, prepare } of CASES)
    it(`${rpc}: ${what}`, async () => {
      const users = await newUsers(server, ["tom", "jerry", "spike"]);
      const mutate = await prepare(worldOf(server, users));
      const views = await Promise.all(users.slice(0, watched).map(watch));
      await mutate();
      let total = 0;
      for (const { userId, before, events, after } of views) {
        const told = await events();
        total += told.length;
        const { state, toFetch } = applyEvents(before, userId, told);
        const fresh = await after();
        expect(withFetched(state, fresh, toFetch), userId).toEqual(fresh);
        if (told.length === 0) expect(fresh, userId).toEqual(before);
      }
      expect(total, "durable events").toBe(expected);
    });

  it.each([
    ["AuthService.Logout", (own: TestUser) => own.rpc.auth.logout({})],
    ["AuthService.RevokeSession", (own: TestUser, other: TestUser) => other.rpc.auth.revokeSession(own)],
  ] as const)("%s: a session hears of its own end, and of nothing else", async (_rpc, end) => {
    const [tom] = (await newUsers(server, ["tom"])) as [TestUser];
    const device = await newDevice(server, tom);
    const stream = openStream(device);
    await stream.frame("caughtUp");
    await end(device, tom);
    const last = await stream.frame("goodbye");
    expect(last.reconnect).toBe(false);
    expect(stream.events().map(({ event }) => event.case)).toEqual(["sessionRevoked"]);
    const { sessions } = await tom.rpc.auth.listSessions({});
    expect(sessions.map(({ sessionId }) => sessionId)).toEqual([tom.sessionId]);
  });
});
