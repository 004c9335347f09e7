import type { StreamEvent } from "@parley/proto/parley/v1/stream_event_pb.js";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { decodeCursor } from "../../server/src/store/cursor.js";
import { eventually, newUser, openStream, type TestUser } from "../support/index.js";
import { type JitteryServer, startJitteryServer } from "../support/jittery-server.js";
import { count, eventsAfter, must, newGroup, text, toGroup, toUser } from "../support/messaging.js";
import { figure } from "../support/proofs/figure.js";
import { longTimeout, seed, sized } from "../support/proofs/tier.js";
import { random } from "../support/random.js";

const STREAMS = sized(100, 1000);
const READERS = 10;
const BATCH = 50;
const RATE = 1000;

const by = seed();
const dice = random(by);
let server: JitteryServer;

const posOf = (event: StreamEvent) => must(decodeCursor(server.appId, event.cursor)).pos;

describe("S2: subscribing while others commit", () => {
  beforeAll(async () => {
    // Small windows, so that a stream reads several times before it is live.
    server = await startJitteryServer({
      turns: (connection) => (connection === "read" && dice(4) === 0 ? dice(6) : 0),
      limits: { streamChunkEvents: 100, streamsPerUser: 1000 },
    });
  });
  afterAll(() => server.close());

  it("in the middle of a thousand commits a second misses nothing and repeats nothing", {
    timeout: longTimeout,
  }, async (context) => {
    const [tom, ann] = [await newUser(server, "tom"), await newUser(server, "ann")];
    const readers = await Promise.all(count(READERS).map((at) => newUser(server, `reader${at}`)));
    const group = await newGroup(tom, readers);
    const { cursor: start } = await ann.rpc.message.listEvents({});
    let [over, sent] = [false, 0];
    const beganMs = performance.now();

    /** Talks in bursts, a thousand messages a second on average: to readers, to the group, and to others, so that positions are missing from each reader's view. */
    const talk = async () => {
      while (!over) {
        const requests = count(BATCH).map(() => {
          const aim = dice(6);
          const reader = must(readers[dice(READERS)]).userId;
          const to = aim === 0 ? toGroup(group) : toUser(aim < 3 ? reader : ann.userId);
          return { receiver: to, content: text(`${sent++}`) };
        });
        await tom.rpc.message.sendMessages({ requests });
        await new Promise((resolve) => setTimeout(resolve, dice((2000 * BATCH) / RATE)));
      }
    };
    /** Readers go out of the group and come back, each event of which moves the routes. */
    const move = async () => {
      while (!over) {
        const { userId } = must(readers[dice(READERS)]);
        await tom.rpc.group.removeGroupMembers({ groupId: group, userIds: [userId] });
        await tom.rpc.group.addGroupMembers({ groupId: group, userIds: [userId] });
        await new Promise((resolve) => setTimeout(resolve, dice(20)));
      }
    };

    const seen: { reader: TestUser; from: string; upTo: number; events: StreamEvent[] }[] = [];
    let begun = 0;
    const read = async (reader: TestUser) => {
      while (begun < STREAMS) {
        begun++;
        const { cursor: from } = await reader.rpc.message.listEvents({});
        for (let left = dice(6); left > 0; left--) await new Promise((resolve) => setImmediate(resolve));
        const stream = openStream(reader, { cursor: from });
        await eventually(() => expect(stream.frames.some(({ case: name }) => name === "caughtUp")).toBe(true), 30_000);
        // Live now: whatever is committed up to here must come, and all of it before the farewell.
        const { cursor } = await reader.rpc.message.listEvents({});
        const upTo = must(decodeCursor(server.appId, cursor)).pos;
        await eventually(() => expect(posOf(must(stream.events().at(-1)))).toBeGreaterThan(upTo), 30_000);
        await stream.close();
        seen.push({ reader, from, upTo, events: stream.events() });
      }
    };
    const talking = Promise.all([talk(), move()]);
    await Promise.all(readers.map(read)).finally(() => {
      over = true;
    });
    await talking;
    const seconds = (performance.now() - beganMs) / 1000;

    const logs = new Map<string, StreamEvent[]>();
    for (const reader of readers) logs.set(reader.userId, (await eventsAfter(reader.rpc, start)).events);
    let live = 0;
    for (const { reader, from, upTo, events } of seen) {
      const after = must(decodeCursor(server.appId, from)).pos;
      const last = posOf(must(events.at(-1)));
      const log = must(logs.get(reader.userId)).filter((event) => posOf(event) > after && posOf(event) <= last);
      expect({ by, events: events.map((event) => event.cursor) }).toEqual({
        by,
        events: log.map((event) => event.cursor),
      });
      expect(events).toEqual(log);
      live += events.filter((event) => posOf(event) > upTo).length;
    }
    expect(live).toBeGreaterThan(0);
    const { head } = await server.log();
    figure(
      context,
      `${seen.length} streams opened while ${Math.round(head / seconds)} events a second were committed: 0 gaps, 0 repeats`,
    );
  });
});
