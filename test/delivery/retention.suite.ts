import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import { EventKind } from "@parley/proto/parley/v1/stream_event_pb.js";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Clock } from "../../server/src/ops/clock.js";
import { fakeClock } from "../support/fake-clock.js";
import { eventually, newUser, operator, type TestUser } from "../support/index.js";
import { type JitteryServer, startJitteryServer } from "../support/jittery-server.js";
import { count, messageOf, newDevice, text, textOf, toUser } from "../support/messaging.js";
import { figure } from "../support/proofs/figure.js";
import { longTimeout, seed, sized } from "../support/proofs/tier.js";
import { random } from "../support/random.js";
import { openRawStream, type RawStream } from "../support/raw-stream.js";

const FIRST_RUN = 5_000;
const MINUTE = 61_000;
const STEPS = sized(40, 1500);
const BATCH = 20;
/** What is kept, in minutes and so in steps. */
const KEPT = 12;
const AT_FLOOR = KEPT * BATCH;

const by = seed();
const dice = random(by);
const time = fakeClock();
/** The runs of retention that are over: each sets the timer of the next. */
let runs = 0;
const clock: Clock = {
  now: time.now,
  mono: time.mono,
  setTimer(fn, ms) {
    if (ms === MINUTE) runs++;
    return time.setTimer(fn, ms);
  },
};
let server: JitteryServer;
const opened: RawStream[] = [];

/** What one reader saw of a conversation whose messages are numbered without a gap. */
class Sight {
  readonly name: string;
  last = 0;
  told = 0;
  seen = 0;
  /** Whether it was said that something is missing here. */
  gap = false;
  constructor(name: string) {
    this.name = name;
  }

  see(seq: number): void {
    const fine = this.gap ? seq > this.last : seq === this.last + 1;
    if (!fine)
      throw new Error(`${this.name} saw ${seq} after ${this.last}${this.gap ? ", told of a gap" : ""}; seed ${by}`);
    this.last = seq;
    this.seen++;
    this.gap = false;
  }

  tell(): void {
    this.gap = true;
    this.told++;
  }
}

/** Reads on when it has fallen so far behind that the floor is near: a little more or a little less. */
const isDue = (sight: Sight, sent: number) => sent - sight.last > AT_FLOOR + (dice(5) - 3) * BATCH;

/** A stream that takes nothing for a while, and then a while everything. */
function stallingStream(stream: RawStream): { sight: Sight; step(sent: number): void; end(): void } {
  const sight = new Sight("a stream");
  let at = 0;
  const take = () => {
    for (; at < stream.frames.length; at++) {
      const frame = stream.frames[at];
      if (frame?.case === "resyncRequired") sight.tell();
      if (frame?.case !== "event") continue;
      const message = messageOf(frame.value);
      if (message !== undefined && textOf(message) !== "") sight.see(message.seq);
    }
  };
  return {
    sight,
    step(sent) {
      take();
      if (isDue(sight, sent)) stream.read();
      else stream.stall();
    },
    end() {
      stream.read();
      take();
    },
  };
}

/** Pages of the log, with a cursor that goes stale. */
function eventPager(reader: TestUser, from: string) {
  const sight = new Sight("ListEvents");
  let cursor = from;
  return {
    sight,
    /** Reads a page; tells whether there was none. */
    async page(): Promise<boolean> {
      try {
        const page = await reader.rpc.message.listEvents({ cursor, pageSize: 1 + dice(30) });
        const ended = page.cursor === cursor;
        cursor = page.cursor;
        for (const event of page.events)
          if (event.kind === EventKind.MESSAGE_CREATED) sight.see(messageOf(event)?.seq ?? 0);
        return ended;
      } catch (error) {
        if (ConnectError.from(error).code !== Code.OutOfRange) throw error;
        sight.tell();
        cursor = (await reader.rpc.message.listEvents({})).cursor;
        return false;
      }
    },
  };
}

/** Pages of the history towards the newest; a page says what the oldest is that can still be had. */
function historyPager(reader: TestUser, peer: string) {
  const sight = new Sight("ListMessages");
  return {
    sight,
    async page(): Promise<boolean> {
      const position = { case: "afterSeq" as const, value: sight.last };
      const page = await reader.rpc.history.listMessages({ peer: toUser(peer), position, pageSize: 1 + dice(30) });
      if (page.oldestAvailableSeq > sight.last + 1) sight.tell();
      for (const { seq } of page.messages) sight.see(seq);
      return page.messages.length === 0;
    },
  };
}

/** Walks from the newest page to the oldest while the floor rises; gives how many messages it saw. */
async function walkBack(reader: TestUser, peer: string): Promise<number> {
  let [pageToken, above, seen] = ["", 0, 0];
  for (;;) {
    const page = await reader.rpc.history.listMessages({ peer: toUser(peer), pageToken, pageSize: 1 + dice(100) });
    for (const { seq } of [...page.messages].reverse()) {
      if (above !== 0 && seq !== above - 1) throw new Error(`walking back, ${seq} came after ${above}; seed ${by}`);
      above = seq;
      seen++;
    }
    if (page.nextPageToken === "") {
      // Nothing is older than what was seen last, or the answer says where the oldest is by now.
      if (page.oldestAvailableSeq < above)
        throw new Error(`walking back ended at ${above} of ${page.oldestAvailableSeq}; seed ${by}`);
      return seen;
    }
    pageToken = page.nextPageToken;
  }
}

describe("S12: retention under readers that lag at its edge", () => {
  beforeAll(async () => {
    server = await startJitteryServer({
      clock,
      turns: () => (dice(3) === 0 ? dice(6) : 0),
      // Little fits between server and client, so that a stalled one soon lives off the log; no less than Node itself buffers.
      limits: { streamQueueBytes: 20_000, streamChunkEvents: 10 },
      times: { retentionIntervalMs: MINUTE, writeStallMs: 1e9, sessionMs: 1e12, dedupMs: MINUTE },
    });
    const kept = durationFromMs(KEPT * MINUTE);
    await operator(server).updateApp({
      appId: server.appId,
      settings: { eventRetention: kept, historyRetention: kept, strangerHistoryRetention: kept },
    });
  });
  afterAll(async () => {
    for (const stream of opened) stream.leave("cut");
    await server.close();
  });

  it("each has everything, or is told", {
    timeout: longTimeout,
  }, async (context) => {
    const [tom, ann] = [await newUser(server, "tom"), await newUser(server, "ann")];
    const { cursor } = await ann.rpc.message.listEvents({});
    const devices = [ann, ...(await Promise.all(count(3).map(() => newDevice(server, ann))))];
    for (const device of devices) opened.push(await openRawStream(server.http2Url, device, cursor));
    const streams = opened.map(stallingStream);
    const pagers = count(3).flatMap(() => [eventPager(ann, cursor), historyPager(ann, tom.userId)]);
    let [sent, walked, walks] = [0, 0, 0];
    const send = async () => {
      const requests = count(BATCH).map((at) => ({
        receiver: toUser(ann.userId),
        content: text(`${sent + at} ${"x".repeat(700)}`),
      }));
      await tom.rpc.message.sendMessages({ requests });
      sent += BATCH;
    };
    const page = async (pager: (typeof pagers)[number]) => {
      while (isDue(pager.sight, sent)) if (await pager.page()) break;
    };
    const walk = async () => {
      if (dice(10) > 0) return;
      walks++;
      walked += await walkBack(ann, tom.userId);
    };
    /** Lets time pass, and stand still again until the run of retention that is due is over. */
    const pass = async (ms: number, meanwhile: () => Promise<unknown>) => {
      const before = runs;
      time.advance(ms);
      await meanwhile();
      while (runs === before) await new Promise((resolve) => setImmediate(resolve));
    };
    await pass(FIRST_RUN, send);
    for (const _ of count(STEPS)) {
      await pass(MINUTE, () => Promise.all([send(), walk(), ...pagers.map(page)]));
      for (const stream of streams) stream.step(sent);
    }
    for (const pager of pagers) while (!(await pager.page()));
    for (const stream of streams)
      await eventually(() => {
        stream.end();
        expect(stream.sight.last).toBe(sent);
      }, 30_000);
    const sights = [...streams, ...pagers].map(({ sight }) => sight);
    // Whoever was told of a gap last of all has seen nothing since, for the gap reached up to the head.
    for (const { name, last, gap } of sights) if (!gap) expect([name, last]).toEqual([name, sent]);
    const [seen, told] = [
      sights.reduce((sum, { seen }) => sum + seen, 0),
      sights.reduce((sum, { told }) => sum + told, 0),
    ];
    const { floor } = await server.log();
    // Both happened: readers that were too late, and readers that were just in time.
    expect(floor).toBeGreaterThan(sent / 2);
    expect(told).toBeGreaterThan(0);
    expect(seen).toBeGreaterThan(sent);
    figure(
      context,
      `${sights.length} readers at the floor while it rose to ${floor}: ${seen} messages seen, ${told} gaps told, 0 untold; ${walks} walks back over ${walked}`,
    );
  });
});
