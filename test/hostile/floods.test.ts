import { afterAll, beforeAll, describe, expect, it, type TestContext } from "vitest";
import { startTestServer } from "../support/index.js";
import { figure } from "../support/proofs/figure.js";
import { sized, TIER_2 } from "../support/proofs/tier.js";
import { callHeaders, connectFrames, FLAG, FRAME, frame, headerBlock, openStream, uint32 } from "./h2-frames.js";
import { beside, seen, startVictim, type Victim } from "./victim.js";

const MIB = 1024 * 1024;
const call = callHeaders("/parley.v1.MessageService/SendMessage");

let victim: Victim;
beforeAll(async () => {
  victim = await startVictim();
});
afterAll(() => victim.stop());

describe("H1: a connection that opens streams only to end them is cut, and few calls begin", () => {
  const ends: readonly [string, (stream: number) => Buffer][] = [
    ["reset by the client", (stream) => frame(FRAME.rstStream, 0, stream, uint32(8))],
    ["made to be reset by the server", (stream) => frame(FRAME.windowUpdate, 0, stream, uint32(0))],
  ];
  for (const [name, end] of ends)
    it(name, async (context) => {
      const streams = sized(5_000, 50_000);
      const flood = Buffer.concat(
        Array.from({ length: streams }, (_, at) => Buffer.concat([openStream(at * 2 + 1, call), end(at * 2 + 1)])),
      );
      const begun = await victim.metric("parley_rpc_total");
      const outcome = await beside(victim, async () => {
        const attacker = await connectFrames(victim.url);
        attacker.socket.write(flood);
        await attacker.closed;
      });
      // The healthy user's own calls, with the first that tried the way.
      const calls = (await victim.metric("parley_rpc_total")) - begun - outcome.served - 1;
      expect(calls).toBeGreaterThanOrEqual(0);
      expect(calls / outcome.attacks, "calls that reached their handler").toBeLessThan(50);
      expect(outcome.cpuSeconds / outcome.attacks, "CPU seconds an attacker").toBeLessThan(1.5);
      expect(outcome.rssGrowthMib).toBeLessThan(60);
      figure(
        context,
        `${name}: ${outcome.attacks} connections of ${streams} streams cut, ${calls} calls begun, ${seen(outcome)}`,
      );
    });
});

it("H2: headers that never end are cut", async (context) => {
  const sizes = [0, 1, 1_000, 16_384];
  const outcome = await beside(victim, async () => {
    let [bytes, slowestMs] = [0, 0];
    for (const size of sizes) {
      const attacker = await connectFrames(victim.url);
      attacker.socket.write(frame(FRAME.headers, FLAG.endStream, 1, call));
      const filler = headerBlock([["x", "v".repeat(size)]]).subarray(0, size);
      const block = Buffer.concat(Array<Buffer>(16).fill(frame(FRAME.continuation, 0, 1, filler)));
      const began = performance.now();
      bytes += await attacker.flood(block, 64 * MIB);
      expect(attacker.isClosed(), `CONTINUATION frames of ${size} bytes`).toBe(true);
      slowestMs = Math.max(slowestMs, performance.now() - began);
    }
    return { bytes, slowestMs };
  });
  expect(outcome.rssGrowthMib).toBeLessThan(40);
  const { bytes, slowestMs } = outcome.result;
  figure(
    context,
    `${sizes.length} kinds cut within ${Math.ceil(bytes / 1024)} KiB in all, the slowest in ${Math.round(slowestMs)} ms; ${seen(outcome)}`,
  );
});

describe("H3: a flood from a connection that never reads is cut, or costs next to nothing", () => {
  const nothing = Buffer.alloc(0);
  const kinds: readonly [string, "cut" | "cheap", Buffer, Buffer][] = [
    ["PING", "cut", nothing, frame(FRAME.ping, 0, 0, Buffer.alloc(8))],
    ["SETTINGS", "cut", nothing, frame(FRAME.settings, 0, 0, Buffer.from([0, 4, 0, 1, 0, 0]))],
    ["empty SETTINGS", "cut", nothing, frame(FRAME.settings, 0, 0)],
    ["empty DATA", "cut", openStream(1, call), frame(FRAME.data, 0, 1)],
    ["WINDOW_UPDATE of no stream", "cut", nothing, frame(FRAME.windowUpdate, 0, 1, uint32(1))],
    ["PRIORITY", "cheap", nothing, frame(FRAME.priority, 0, 1, Buffer.from([0, 0, 0, 3, 5]))],
    ["frames nobody knows", "cheap", nothing, frame(0xee, 0, 0, Buffer.alloc(8))],
  ];
  for (const [name, fate, first, one] of kinds)
    it(name, async (context) => {
      const outcome = await beside(victim, async () => {
        const attacker = await connectFrames(victim.url, { reading: false });
        attacker.socket.write(first);
        const bytes = await attacker.flood(Buffer.concat(Array<Buffer>(1000).fill(one)), sized(8, 64) * MIB);
        const cut = attacker.isClosed();
        attacker.socket.destroy();
        return { cut, frames: Math.round(bytes / one.length) };
      });
      const { cut, frames } = outcome.result;
      if (fate === "cut") expect(cut, "cut").toBe(true);
      // What is not cut must be cheaper than the bytes that brought it: below 10 microseconds a frame, tenfold of what it is.
      else expect(outcome.cpuSeconds / (frames * outcome.attacks)).toBeLessThan(1e-5);
      expect(outcome.rssGrowthMib).toBeLessThan(sized(30, 10));
      figure(context, `${name}: ${cut ? "cut within" : "let be for"} ${frames} frames, ${seen(outcome)}`);
    });
});

describe("H4: a connection that breaks the protocol is gone, whatever its client does then", () => {
  const twice = (one: Buffer) => Buffer.concat([one, one]);
  const most = uint32(0x7fffffff);
  const breaks: Readonly<Record<string, Buffer>> = {
    "window overflow of the connection": twice(frame(FRAME.windowUpdate, 0, 0, most)),
    "window overflow of a stream": Buffer.concat([openStream(1, call), twice(frame(FRAME.windowUpdate, 0, 1, most))]),
    "window overflow by SETTINGS": frame(FRAME.settings, 0, 0, Buffer.from([0, 4, 0xff, 0xff, 0xff, 0xff])),
    "window update of 3 bytes": frame(FRAME.windowUpdate, 0, 0, Buffer.alloc(3)),
    "DATA on no stream": frame(FRAME.data, 0, 0, Buffer.alloc(3)),
    "DATA on a stream not opened": frame(FRAME.data, 0, 5, Buffer.alloc(3)),
    "HEADERS on a server's stream": frame(FRAME.headers, FLAG.endHeaders, 2, call),
    "CONTINUATION of nothing": frame(FRAME.continuation, 0, 1, Buffer.alloc(3)),
    "reset of a stream not opened": frame(FRAME.rstStream, 0, 7, uint32(8)),
    "headers that do not decompress": frame(FRAME.headers, FLAG.endHeaders, 1, Buffer.alloc(5, 0xff)),
    "a stream that depends on itself": frame(FRAME.priority, 0, 1, Buffer.from([0, 0, 0, 1, 5])),
    "a frame over 16 KiB": frame(FRAME.data, 0, 1, Buffer.alloc(20_000)),
    "a push by the client": frame(5, FLAG.endHeaders, 1, Buffer.alloc(10)),
    "PING of 3 bytes": frame(FRAME.ping, 0, 0, Buffer.alloc(3)),
    "an answer to SETTINGS with settings": frame(FRAME.settings, FLAG.ack, 0, Buffer.alloc(6)),
  };

  it("window overflows leave no connection", async (context) => {
    const connections = sized(60, 300);
    const kinds = Object.values(breaks).slice(0, 3);
    const outcome = await beside(victim, async () => {
      const attackers = await Promise.all(Array.from({ length: connections }, () => connectFrames(victim.url)));
      for (const [at, attacker] of attackers.entries()) attacker.socket.write(kinds[at % kinds.length] ?? "");
      await Promise.all(attackers.map((attacker) => attacker.closed));
    });
    expect(outcome.rssGrowthMib).toBeLessThan(60);
    figure(context, `0 of ${outcome.attacks * connections} connections left; ${seen(outcome)}`);
  });

  // Node says GOAWAY, reads no more and keeps the connection: only the unanswered PING ends it.
  it("every other break ends too, though the client holds on and goes on talking", async (context) => {
    const server = await startTestServer(TIER_2 ? {} : { times: { pingMs: 400, pingDeadlineMs: 200 } });
    try {
      const began = performance.now();
      const names = Object.keys(breaks);
      await Promise.all(
        names.map(async (name) => {
          const attacker = await connectFrames(server.url);
          attacker.socket.write(breaks[name] ?? "");
          const drip = setInterval(() => attacker.socket.write(frame(FRAME.ping, 0, 0, Buffer.alloc(8))), 100);
          const open = new Promise<string>((resolve) =>
            setTimeout(resolve, sized(8_000, 50_000), `${name} is still open`),
          );
          expect(await Promise.race([attacker.closed.then(() => name), open])).toBe(name);
          clearInterval(drip);
        }),
      );
      figure(context, `${names.length} kinds, all gone after ${((performance.now() - began) / 1000).toFixed(1)} s`);
    } finally {
      await server.close();
    }
  });
});

describe("H5: headers that are too many or too large are refused", () => {
  const lines = (count: number): [string, string][] => Array.from({ length: count }, (_, at) => [`x-${at}`, "v"]);

  /** Sends a call by HTTP/2 and tells whether it was answered as any other. */
  async function passes(block: Buffer, { url }: Pick<Victim, "url">): Promise<boolean> {
    const attacker = await connectFrames(url);
    const [begin, ...rest] = Array.from({ length: Math.ceil(block.length / 16_384) }, (_, at) =>
      block.subarray(at * 16_384, (at + 1) * 16_384),
    );
    const frames = [
      frame(FRAME.headers, FLAG.endStream | (rest.length === 0 ? FLAG.endHeaders : 0), 1, begin),
      ...rest.map((part, at) => frame(FRAME.continuation, at === rest.length - 1 ? FLAG.endHeaders : 0, 1, part)),
    ];
    attacker.socket.write(Buffer.concat(frames));
    const ok = await attacker.answeredOk(1);
    attacker.socket.destroy();
    return ok;
  }

  async function refused(context: TestContext, bombs: Readonly<Record<string, Buffer>>): Promise<void> {
    const outcome = await beside(victim, async () => {
      for (const [name, bomb] of Object.entries(bombs)) expect(await passes(bomb, victim), name).toBe(false);
    });
    expect(outcome.rssGrowthMib).toBeLessThan(40);
    figure(context, `${Object.keys(bombs).join(", ")}: refused ${outcome.attacks} times; ${seen(outcome)}`);
  }
  const info = callHeaders("/parley.v1.ServerService/GetServerInfo", { "content-type": "application/proto" });

  it("by HTTP/2", async (context) => {
    expect(await passes(Buffer.concat([info, headerBlock(lines(40))]), victim), "40 lines").toBe(true);
    // A line of 4,000 bytes is put into the table once, and then named by one byte.
    const line = headerBlock([["x", "v".repeat(4_000)]]);
    line.writeUInt8(0x40, 0);
    await refused(context, {
      "200 lines": Buffer.concat([info, headerBlock(lines(200))]),
      "20 KiB": Buffer.concat([info, headerBlock([["x-big", "v".repeat(20_000)]])]),
      "64 KiB": Buffer.concat([info, headerBlock([["x-big", "v".repeat(65_000)]])]),
      "4 KiB told 60 times by the table": Buffer.concat([info, line, Buffer.alloc(59, 0xbe)]),
      "4 KiB told 16,000 times by the table": Buffer.concat([info, line, Buffer.alloc(16_000, 0xbe)]),
    });
  });
});
