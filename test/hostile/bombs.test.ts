import { brotliCompressSync, deflateSync, gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it, type TestContext } from "vitest";
import { type Answer, type Protocol, protocols, wires } from "../conformance/wire.js";
import { envelope } from "../support/envelopes.js";
import { figure } from "../support/proofs/figure.js";
import { sized } from "../support/proofs/tier.js";
import { lengthDelimited } from "./malformed.js";
import { beside, seen, startVictim, type Victim } from "./victim.js";

const MIB = 1024 * 1024;
const INFO = "parley.v1.ServerService/GetServerInfo";
const SEND = "parley.v1.MessageService/SendMessage";
const bombMib = sized(32, 512);

let victim: Victim;
beforeAll(async () => {
  victim = await startVictim();
});
afterAll(() => victim.stop());

// What fetch keeps, and one connection of HTTP/2.
const attacked = <T>(attack: () => Promise<T>) => beside(victim, attack, { kept: 16 });

/** Throws several bombs at once and gives the answers. */
async function salvo(protocol: Protocol, encoding: string, bomb: Buffer, json = false): Promise<Answer[]> {
  const connect = protocol === "connect";
  const call = {
    url: victim.url,
    method: json ? SEND : INFO,
    codec: json ? "json" : "proto",
    body: connect ? bomb : envelope(bomb, 1),
    raw: true,
    headers: {
      [connect ? "content-encoding" : "grpc-encoding"]: encoding,
      authorization: `Bearer ${victim.tom.token}`,
    },
  } as const;
  return await Promise.all(Array.from({ length: 4 }, () => wires[protocol](call)));
}

describe("H8: what unfolds to far more than a request may hold is refused, and never unfolded", () => {
  // A bomb in a bomb is one to us: only the outer is ours to unfold.
  const zeros = gzipSync(Buffer.alloc(bombMib * MIB), { level: 9 });
  const json = gzipSync(Buffer.alloc(bombMib * MIB, '{"a":'), { level: 9 });

  it.each(protocols)("by %s", async (protocol) => {
    const outcome = await attacked(async () => [
      ...(await salvo(protocol, "gzip", zeros)),
      ...(await salvo(protocol, "gzip", json, true)),
    ]);
    for (const answer of outcome.result)
      expect(answer).toMatchObject({ code: "resource_exhausted", reason: "TOO_LARGE" });
    expect(outcome.rssGrowthMib).toBeLessThan(60);
  });

  it("in a coding that is not offered: not even looked at", async (context: TestContext) => {
    const brotli = brotliCompressSync(Buffer.alloc(4 * MIB));
    const deflate = deflateSync(Buffer.alloc(4 * MIB));
    const outcome = await attacked(async () => {
      const answers: Answer[] = [];
      for (const protocol of protocols)
        for (const [encoding, bomb] of [
          ["br", brotli],
          ["deflate", deflate],
          ["gzip, gzip", zeros],
        ] as const)
          answers.push(...(await salvo(protocol, encoding, bomb)));
      return answers;
    });
    for (const answer of outcome.result) expect(["unimplemented", "resource_exhausted"]).toContain(answer.code);
    expect(outcome.rssGrowthMib).toBeLessThan(60);
    figure(
      context,
      `bombs of ${bombMib} MiB in ${zeros.length >> 10} KiB, 4 at once, in 3 protocols: all refused, ${seen(outcome)}`,
    );
  });
});

describe("H10: what is nested without end is refused at once", () => {
  const DEPTH = 190_000;
  const wrapped = (depth: number) => {
    let bytes: Uint8Array = new Uint8Array();
    for (let level = 0; level < depth; level += 1) bytes = lengthDelimited(1, bytes);
    return bytes;
  };
  const bombs: readonly [string, "json" | "proto", Uint8Array | string][] = [
    ["brackets", "json", "[".repeat(1_000_000)],
    ["objects", "json", '{"a":'.repeat(DEPTH)],
    ["lists in free data", "json", `{"attributes":{"a":${"[".repeat(DEPTH)}${"]".repeat(DEPTH)}}}`],
    ["objects in free data", "json", `{"attributes":${'{"a":'.repeat(100_000)}1${"}".repeat(100_000)}}`],
    ["objects in a field nobody knows", "json", `{"x":${'{"a":'.repeat(100_000)}1${"}".repeat(100_000)}}`],
    ["groups", "proto", new Uint8Array(1_000_000).fill(0x7b)],
    ["messages in free data", "proto", lengthDelimited(5, wrapped(5_000))],
  ];

  for (const [name, codec, body] of bombs)
    it(`${name} (${codec})`, async (context) => {
      const outcome = await attacked(async () => {
        const answers: Answer[] = [];
        for (const protocol of protocols)
          answers.push(
            await wires[protocol]({
              url: victim.url,
              method: SEND,
              codec,
              body,
              headers: { authorization: `Bearer ${victim.tom.token}` },
            }),
          );
        return answers;
      });
      for (const answer of outcome.result)
        expect(answer).toMatchObject({ code: "invalid_argument", reason: "INVALID_FIELD" });
      expect(outcome.rssGrowthMib).toBeLessThan(120);
      expect(outcome.slowestMs, "how long others waited").toBeLessThan(5_000);
      figure(context, `${name}, ${body.length >> 10} KiB: ${seen(outcome)}`);
    });
});
