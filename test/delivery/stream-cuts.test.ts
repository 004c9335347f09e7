import { fromBinary } from "@bufbuild/protobuf";
import { user } from "@parley/client";
import { StreamEventSchema } from "@parley/proto/parley/v1/stream_event_pb.js";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { newUser, startTestServer, type TestServer, type TestUser } from "../support/index.js";
import { count, must, newDevice, say, textOf, toUser } from "../support/messaging.js";
import { figure } from "../support/proofs/figure.js";
import { longTimeout, seed, sized, TIER_2 } from "../support/proofs/tier.js";
import { random } from "../support/random.js";
import { tempFolder } from "../support/temp-store.js";
import {
  type CutEnd,
  type CutPlan,
  catchUp,
  type HttpVersion,
  handed,
  howAt,
  type Lane,
  openLane,
  storeAt,
  watchedClient,
} from "./sdk-run.js";
import { eventsOf, onServer, playAct } from "./story.js";

const LANES = sized(4, 16);
const LISTENERS = sized(1, 8);
const VERSIONS = ["1.1", "2"] as const satisfies HttpVersion[];
const WAYS = VERSIONS.flatMap((http) => [[http, "up"] as const, [http, "down"] as const]);
const limits = { streamsPerUser: 100, streamChunkEvents: 20 };
// A stop spreads those who come back over this time.
const times = { drainMs: 50 };

type Way = Pick<CutPlan, "first" | "afterCut" | "afterEvent">;

/** More than what frames an event on its way, and less than is worth skipping. */
const FRAMING_BYTES = 40;

// Whatever byte a connection breaks at, the application is handed what it would have been.
describe("S1", () => {
  let server: TestServer;
  let tom: TestUser;
  let jerry: TestUser;
  let start: string;
  const lanes = new Map<HttpVersion, Lane[]>();
  const listeners: Lane[] = [];
  const allLanes = () => [...listeners, ...[...lanes.values()].flat()];

  beforeAll(async () => {
    server = await startTestServer({ limits, times, settings: { dataDir: tempFolder().path } });
    [tom, jerry] = [await newUser(server, "tom"), await newUser(server, "jerry")];
    for (const http of VERSIONS) {
      const open = async () => openLane(server, await newDevice(server, jerry), http);
      lanes.set(http, await Promise.all(count(LANES).map(open)));
      listeners.push(...(await Promise.all(count(LISTENERS).map(open))));
    }
    start = (await jerry.rpc.message.listEvents({})).cursor;
  });
  afterAll(async () => {
    for (const { proxy } of allLanes()) await proxy.close();
    await server.close();
  });

  it("live: streams that break again and again while things happen and the server restarts", async (context) => {
    const by = seed();
    const dice = random(by);
    let [cuts, over] = [0, false];
    const clients = listeners.map((lane) => watchedClient(server, lane));
    await Promise.all(clients.map(({ client }, at) => client.restore(listeners[at]?.userId)));
    const cutAgain = async ({ proxy }: Lane) => {
      for (; !over; cuts++) await proxy.cutAfter("down", 600 + dice(3000), howAt(dice(2)));
    };
    for (const lane of listeners) void cutAgain(lane);
    await playAct({ tom, jerry });
    server = await server.restart();
    for (const { proxy } of allLanes()) proxy.target = server.url;
    [tom, jerry] = [onServer(server, tom), onServer(server, jerry)];
    await playAct({ tom, jerry });
    // The last event is Jerry's, so a client that has caught up stands at its cursor.
    await say(jerry, toUser(jerry.userId), "to be continued");
    const log = await eventsOf(jerry, start);
    expect(log.length).toBeGreaterThanOrEqual(200);
    for (const watched of clients) {
      await handed(watched, log.length);
      await watched.live();
      await watched.client.close();
      expect({ by, events: watched.events }).toEqual({ by, events: log });
      expect(watched.complaints).toEqual([]);
    }
    over = true;
    figure(
      context,
      `${clients.length} live streams of ${log.length} events broken ${cuts} times, a restart between: 0 gaps, 0 repeats`,
    );
  });

  it.for(VERSIONS)(
    "catching up over HTTP/%s: a stream that breaks after any byte",
    { timeout: longTimeout },
    async (http, context) => {
      const by = seed();
      const dice = random(by);
      const log = await eventsOf(jerry, start);
      const own = must(lanes.get(http));
      const size = Math.ceil(log.length / own.length);
      let cuts = 0;
      /** Each client goes through its part of the log, the last one until it has caught up. */
      const goThrough = async (way: Way, perEvent: (event: string) => number) => {
        const goThroughPart = async (lane: Lane, at: number) => {
          const part = log.slice(at, at + size);
          const from = at === 0 ? start : cursorOf(log[at - 1]);
          const untilLive = at + size >= log.length;
          const end = await catchUp(server, lane, { from, events: part.length, untilLive, ...way });
          cuts += end.cuts.reduce((sum, each) => sum + each, 0);
          const isWhole = end.events.length >= part.length && isBeginning(end, lane, log.slice(at));
          if (!isWhole) expect({ by, at, ...end }).toEqual({ by, at, events: log.slice(at) });
          for (const [index, event] of part.entries())
            expect(end.cuts[index], `cuts before event ${at + index}`).toBeGreaterThanOrEqual(perEvent(event));
        };
        await Promise.all(own.map((lane, at) => goThroughPart(lane, at * size)));
      };
      // Anywhere, so that some events come whole before the cut, over the borders of chunks too.
      for (const _ of count(sized(6, 20)))
        await goThrough({ first: 0, afterCut: () => dice(2_500), afterEvent: () => undefined }, () => 0);
      expect(cuts).toBeGreaterThan(sized(200, 700));
      // One byte further each time, through what comes before the first event and through each event.
      if (TIER_2)
        await goThrough(
          {
            first: 0,
            afterCut: (byte) => byte + 1,
            afterEvent: (byte, event) => Math.max(0, byte - event.length - FRAMING_BYTES),
          },
          (event) => event.length,
        );
      const bytes = log.reduce((sum, event) => sum + event.length, 0);
      const which = TIER_2 ? ", at every byte" : "";
      figure(context, `HTTP/${http}: ${log.length} events of ${bytes} bytes, ${cuts} cuts${which}: 0 other ends`);
    },
  );

  it.for(WAYS)(
    "sending over HTTP/%s: a connection that breaks after any byte %s",
    { timeout: longTimeout },
    async ([http, way], context) => {
      const by = seed();
      const dice = random(by);
      const lane = must(lanes.get(http)?.[0]);
      const peers = [tom.userId, jerry.userId];
      const { cursor } = await jerry.rpc.message.listEvents({});
      const watched = watchedClient(server, { ...lane, store: await storeAt(lane, cursor) });
      await watched.client.restore(lane.userId);
      await watched.live();
      const sent = new Map<string, string[]>(peers.map((userId) => [userId, []]));
      const burst = async (name: string) => {
        const stored = count(4).map((at) => {
          const [to, words] = [must(peers[at % 2]), `${http} ${way} ${name}.${at}`];
          sent.get(to)?.push(words);
          return watched.client.messages.send(user(to), { text: words }).stored;
        });
        await Promise.all(stored);
      };
      const before = lane.proxy.bytes[way];
      await burst("uncut");
      const bytes = lane.proxy.bytes[way] - before;
      const offsets = TIER_2 ? count(bytes).map((at) => at - 1) : count(12).map(() => dice(bytes));
      let cuts = 0;
      for (const [round, at] of offsets.entries()) {
        void lane.proxy.cutAfter(way, at, howAt(at)).then(() => cuts++);
        await burst(`${round}`);
        await watched.live();
      }
      for (const [to, texts] of sent) {
        const list = await allTexts(jerry, to);
        expect({ by, texts: list.filter((words) => words.startsWith(`${http} ${way} `)) }).toEqual({ by, texts });
      }
      const log = await eventsOf(jerry, cursor);
      await handed(watched, log.length);
      await watched.client.close();
      expect(watched.events).toEqual(log);
      expect(cuts).toBeGreaterThan(0.4 * offsets.length);
      figure(
        context,
        `HTTP/${http} ${way}: ${4 * offsets.length} sends, cut ${cuts} times within ${bytes} bytes: 0 lost, 0 doubled, in order`,
      );
    },
  );
});

/** The texts of a conversation, oldest first. */
async function allTexts(reader: TestUser, userId: string): Promise<string[]> {
  const texts: string[] = [];
  for (let seq = 0; ; ) {
    const position = { case: "afterSeq" as const, value: seq };
    const { messages } = await reader.rpc.history.listMessages({ peer: toUser(userId), position, pageSize: 100 });
    texts.push(...messages.map(textOf));
    const last = messages.at(-1);
    if (last === undefined) return texts;
    seq = last.seq;
  }
}

const cursorOf = (event: string | undefined) =>
  fromBinary(StreamEventSchema, Buffer.from(must(event), "latin1")).cursor;

/** Whether a run handed over just the beginning of a log, and its store holds its user, its session and the place behind the last event. */
function isBeginning({ events, complaints, store }: CutEnd, lane: Lane, log: readonly string[]): boolean {
  const kept = store.find(([key]) => key.endsWith("/cursor"))?.[1];
  return (
    complaints.length === 0 &&
    events.every((event, at) => event === log[at]) &&
    kept === cursorOf(events.at(-1)) &&
    store.length === 3 &&
    store.some(([, value]) => value === lane.userId)
  );
}
