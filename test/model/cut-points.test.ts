import { createClient } from "@parley/client";
import type { StreamEvent } from "@parley/proto/parley/v1/stream_event_pb.js";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startTestServer, type TestServer, type TestUser } from "../support/index.js";
import {
  eventsAfter,
  must,
  newDevice,
  newGroup,
  newRoom,
  newUsers,
  say,
  toGroup,
  toUser,
} from "../support/messaging.js";
import { figure } from "../support/proofs/figure.js";
import { sized, TIER_2 } from "../support/proofs/tier.js";
import { applyEvents } from "./apply-events.js";
import { type ClientState, fetchState } from "./apply-events-state.js";

let server: TestServer;
let jerry: TestUser;
/** What Jerry's world was, what happened in it, and the cursors before each thing and after the last. */
let before: ClientState;
let events: StreamEvent[];
let cursors: string[];

/** A little of everything that a reader hears of. */
async function story(tom: TestUser, spike: TestUser): Promise<void> {
  const group = await newGroup(tom, [jerry, spike], { historyForNewMembers: true });
  const room = await newRoom(jerry, [tom]);
  await jerry.rpc.friend.addFriend({ userId: tom.userId });
  for (let round = 0; round < sized(1, 6); round++) {
    await say(tom, toUser(jerry.userId), `to you ${round}`);
    await say(spike, toGroup(group), `to all ${round}`);
    await say(jerry, toUser(tom.userId), `back ${round}`);
    await jerry.rpc.conversation.markRead({ peer: toGroup(group) });
    await tom.rpc.user.updateUser({ displayName: `Tom ${round}` });
    await tom.rpc.group.updateGroup({ groupId: group, name: `group ${round}` });
  }
  await spike.rpc.room.joinRoom({ roomId: room });
  await tom.rpc.group.removeGroupMembers({ groupId: group, userIds: [spike.userId] });
  await jerry.rpc.conversation.markRead({ peer: toUser(tom.userId) });
  await tom.rpc.friend.removeFriend({ userId: jerry.userId });
  await tom.rpc.group.deleteGroup({ groupId: group });
}

beforeAll(async () => {
  server = await startTestServer();
  const [tom, reader, spike] = (await newUsers(server, ["tom", "jerry", "spike"])) as [TestUser, TestUser, TestUser];
  jerry = reader;
  before = await fetchState(jerry);
  const { cursor } = await jerry.rpc.message.listEvents({});
  await story(tom, spike);
  ({ events } = await eventsAfter(jerry.rpc, cursor));
  cursors = [cursor, ...events.map((event) => event.cursor)];
});
afterAll(() => server.close());

/** Runs the SDK on a saved cursor until it has saved another, as a program does that is ended between two events. */
async function run(token: string, from: string, until: string): Promise<StreamEvent[]> {
  const told: StreamEvent[] = [];
  const { url: baseUrl, appId, clientKey } = server;
  let saved: () => void;
  const arrived = new Promise<void>((resolve) => {
    saved = resolve;
  });
  const client = createClient({
    baseUrl,
    appId,
    clientKey,
    cursorStore: {
      load: () => from,
      save(_scope, cursor) {
        if (cursor !== until) return;
        void client.close();
        saved();
      },
      clear: () => {},
    },
  });
  client.on("event", (event) => void (event.cursor !== "" && told.push(event)));
  await client.login({ sessionToken: token });
  if (from !== until) await arrived;
  await client.close();
  return told;
}

const keysOf = (all: readonly StreamEvent[]) => all.map(({ cursor, event }) => `${cursor} ${event.case}`);

describe("M2: a log cut in two at any point", () => {
  it("is whole again by ListEvents from the cut on", async (context) => {
    let pages = 0;
    for (const [at, cursor] of cursors.entries())
      for (const pageSize of TIER_2 ? [1, 3, 7] : [3]) {
        const rest: StreamEvent[] = [];
        for (let from = cursor; ; pages++) {
          const page = await jerry.rpc.message.listEvents({ cursor: from, pageSize });
          rest.push(...page.events);
          if (page.cursor === from) break;
          from = page.cursor;
        }
        expect(keysOf([...events.slice(0, at), ...rest]), `cut at ${at}`).toEqual(keysOf(events));
      }
    figure(context, `${events.length} events cut at every point, read in ${pages} pages`);
  });

  it("is whole again in the SDK's store, and its state is the one fetched fresh", async (context) => {
    const { token } = await newDevice(server, jerry);
    const head = must(cursors.at(-1));
    const fresh = await fetchState(jerry);
    for (const [at, cursor] of cursors.entries()) {
      const first = await run(token, must(cursors[0]), cursor);
      const rest = await run(token, cursor, head);
      expect(keysOf([...first, ...rest]), `cut at ${at}`).toEqual(keysOf(events));
      const { state, toFetch } = applyEvents(before, jerry.userId, [...first, ...rest]);
      expect([...toFetch.groups, ...toFetch.rooms, ...toFetch.users, ...toFetch.talks]).toEqual([]);
      expect(state, `cut at ${at}`).toEqual(fresh);
    }
    figure(context, `${events.length} events cut at each of ${cursors.length} points, each state the fresh one`);
  });
});
