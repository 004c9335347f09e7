import { connect, type Socket } from "node:net";
import { describe, expect, it, onTestFinished, type TestContext } from "vitest";
import { emptySettings, preface } from "../integration/http-story.js";
import { eventually, newUser, startTestServer } from "../support/index.js";
import { figure } from "../support/proofs/figure.js";
import { sized, TIER_2 } from "../support/proofs/tier.js";
import { beside, seen, startVictim } from "./victim.js";

/** What a connection says before it falls silent. */
const SILENCES: Readonly<Record<string, string>> = {
  "nothing at all": "",
  "half a preface": preface.slice(0, 12),
  "half a header": "POST /parley.v1.MessageService/SendMessage HTTP/1.1\r\nhost: x\r\ncontent-le",
  "half a body":
    "POST /parley.v1.MessageService/SendMessage HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{",
  "HTTP/2 without a stream": preface + emptySettings,
};

/** Opens many connections, as many of each kind, and waits until they have said what they say. */
async function openCrowd(url: string, size: number): Promise<{ open(): number; destroy(): void }> {
  const { hostname, port } = new URL(url);
  const kinds = Object.values(SILENCES);
  const sockets = new Set<Socket>();
  // Not all at once: who finds the listener's queue full may believe to be connected and is not.
  for (let begin = 0; begin < size; begin += 200)
    await Promise.all(
      Array.from(
        { length: Math.min(200, size - begin) },
        (_, at) =>
          new Promise<void>((resolve, reject) => {
            const socket = connect(Number(port), hostname, () =>
              socket.write(kinds[at % kinds.length] ?? "", "latin1", () => resolve()),
            );
            sockets.add(socket);
            socket.resume().on("error", reject);
            // The server's end of the connection is what is measured.
            socket.on("end", () => sockets.delete(socket)).on("close", () => sockets.delete(socket));
          }),
      ),
    );
  return {
    open: () => sockets.size,
    destroy() {
      for (const socket of sockets) socket.destroy();
    },
  };
}

describe("H6: a crowd that says little and waits", () => {
  it("does not keep the server from a healthy user", async (context: TestContext) => {
    const victim = await startVictim();
    onTestFinished(() => victim.stop());
    const size = 2_000;
    const outcome = await beside(victim, async () => {
      const crowd = await openCrowd(victim.url, size);
      const served = await sendsServed(victim);
      expect(crowd.open(), "the crowd is there all the while").toBe(size);
      if (TIER_2) await eventually(() => expect(crowd.open()).toBeLessThan(size / 5 + 1), 60_000);
      crowd.destroy();
      return served;
    });
    expect(outcome.rssGrowthMib).toBeLessThan(120);
    figure(context, `${size} connections at once, ${outcome.attacks} times: ${seen(outcome)}`);
  }, 120_000);

  it("is sent away, and nothing is left of it", async (context: TestContext) => {
    const times = TIER_2 ? {} : { sniffMs: 500, headersMs: 500, requestMs: 700, http2IdleMs: 900, pingMs: 1_000 };
    const server = await startTestServer({ times });
    onTestFinished(() => server.close());
    const size = sized(150, 2_000);
    const crowd = await openCrowd(server.url, size);
    const began = performance.now();
    // In the second tier the defaults hold: HTTP/2 without a stream, the last, may stay for five minutes.
    await eventually(() => expect(crowd.open()).toBe(0), sized(15_000, 330_000));
    figure(
      context,
      `${size} connections of ${Object.keys(SILENCES).length} kinds gone after ${((performance.now() - began) / 1000).toFixed(1)} s`,
    );
  }, 360_000);
});

/** A few sends by a new user over new connections, which must come through the crowd. */
async function sendsServed(server: Awaited<ReturnType<typeof startVictim>>): Promise<number> {
  let served = 0;
  for (; served < 10; served += 1) {
    const user = served % 5 === 0 ? await newUser(server, "newcomer") : server.tom;
    const receiver = { peer: { case: "userId" as const, value: server.jerry.userId } };
    await user.rpc.message.sendMessage({ receiver, content: { content: { case: "text", value: { text: "hello" } } } });
  }
  return served;
}
