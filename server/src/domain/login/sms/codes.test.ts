import { expect, test } from "vitest";
import { fakeClock } from "../../../../../test/support/fake-clock.js";
import { tempStore } from "../../../../../test/support/temp-store.js";
import { APP_DEFAULTS, LIMITS, TIMES } from "../../../limits.js";
import type { Tx } from "../../../store/committer.js";
import { deleteExpired, hasExpired } from "../../../store/retention.js";
import { ErrorReason } from "../../errors.js";
import { createSecretBox } from "../../secret-box.js";
import { acceptCode, newCode, releaseSend, reserveSend, useCode } from "./codes.js";

const TOM = "+8613800138000";
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

/** The codes of one app on a store of its own, whose clock the test moves. */
async function createWorld(perDay = APP_DEFAULTS.smsCodesPerDay as number) {
  const clock = fakeClock();
  const temp = await tempStore({ now: clock.now });
  const ctx = { secrets: createSecretBox(Buffer.alloc(32)), limits: LIMITS, times: TIMES };
  const rules = { ...APP_DEFAULTS, smsCodesPerDay: perDay };
  const app = { appId: "a", name: "A", clientKey: "", createMs: 0, rules } as Parameters<typeof reserveSend>[2];
  const run = <T>(work: (tx: Tx) => Promise<T>) => temp.committer.run("a", work);
  const reserve = (number = TOM) => run((tx) => reserveSend(ctx, tx, app, number));
  return {
    clock,
    temp,
    run,
    reserve,
    release: (send: Awaited<ReturnType<typeof reserve>>) => run((tx) => releaseSend(tx, send)),
    async send(code: string, number = TOM) {
      const send = await reserve(number);
      await run((tx) => acceptCode(ctx, tx, send, number, code));
    },
    use: (code: string, number = TOM) => run((tx) => useCode(ctx, tx, number, code)),
    rows: async () => [
      await temp.store.read.selectFrom("sms_number").selectAll().execute(),
      await temp.store.read.selectFrom("sms_day").selectAll().execute(),
    ],
    [Symbol.asyncDispose]: () => temp[Symbol.asyncDispose](),
  };
}

const limited = (limit: number, retryDelayMs: number, field?: string) =>
  expect.objectContaining({
    reason: ErrorReason.RATE_LIMITED,
    facts: { retryDelayMs, metadata: { limit: String(limit) }, ...(field === undefined ? {} : { field }) },
  });
const ofNumber = (limit: number, retryDelayMs: number) => limited(limit, retryDelayMs, "phone_number");

test("codes have six digits, whatever they are", () => {
  const codes = Array.from({ length: 1000 }, newCode);
  for (const code of codes) expect(code).toMatch(/^\d{6}$/);
  expect(new Set(codes).size).toBeGreaterThan(950);
  expect(codes.some((code) => code.startsWith("0"))).toBe(true);
});

test("a code opens once, for its number", async () => {
  await using world = await createWorld();
  await world.send("123456");
  expect(await world.use("123456", "+8613800138001")).toBe(false);
  expect(await world.use("123456")).toBe(true);
  expect(await world.use("123456")).toBe(false);
});

test("a code is good until its time is over, and not at that moment", async () => {
  await using world = await createWorld();
  await world.send("123456");
  world.clock.advance(TIMES.smsCodeMs - 1);
  expect(await world.use("123456")).toBe(true);
  await world.send("234567");
  world.clock.advance(TIMES.smsCodeMs);
  expect(await world.use("234567")).toBe(false);
});

test("the fifth try may be right; after five wrong ones the code is dead", async () => {
  await using world = await createWorld();
  await world.send("123456");
  for (const _ of [1, 2, 3, 4]) expect(await world.use("000000")).toBe(false);
  expect(await world.use("123456")).toBe(true);
  world.clock.advance(MINUTE);
  await world.send("123456");
  for (const _ of [1, 2, 3, 4, 5]) expect(await world.use("000000")).toBe(false);
  expect(await world.use("123456")).toBe(false);
  // A fresh one has tries of its own.
  world.clock.advance(MINUTE);
  await world.send("345678");
  expect(await world.use("000000")).toBe(false);
  expect(await world.use("345678")).toBe(true);
});

test("only the newest code is good", async () => {
  await using world = await createWorld();
  await world.send("111111");
  world.clock.advance(MINUTE);
  await world.send("222222");
  expect(await world.use("111111")).toBe(false);
  expect(await world.use("222222")).toBe(true);
});

test("a number waits 60 s for its next code; others do not wait for it", async () => {
  await using world = await createWorld();
  await world.send("111111");
  await world.send("111111", "+8613800138001");
  await expect(world.reserve()).rejects.toEqual(ofNumber(1, MINUTE));
  world.clock.advance(MINUTE - 1);
  await expect(world.reserve()).rejects.toEqual(ofNumber(1, 1));
  world.clock.advance(1);
  await world.send("222222");
});

test("a number gets five codes in the 24 hours from its first, over a restart too", async () => {
  await using world = await createWorld();
  for (const _ of [1, 2, 3, 4, 5]) {
    await world.send("111111");
    world.clock.advance(HOUR);
  }
  await world.temp.restart();
  await expect(world.reserve()).rejects.toEqual(ofNumber(5, 19 * HOUR));
  world.clock.advance(19 * HOUR - 1);
  await expect(world.reserve()).rejects.toEqual(ofNumber(5, 1));
  world.clock.advance(1);
  await world.send("222222");
});

test("an app sends so many codes in its day, over a restart too, and 0 are none", async () => {
  await using world = await createWorld(2);
  await world.send("111111", "+861380000001");
  world.clock.advance(HOUR);
  await world.send("111111", "+861380000002");
  await world.temp.restart();
  await expect(world.reserve()).rejects.toEqual(limited(2, 23 * HOUR));
  world.clock.advance(23 * HOUR);
  await world.send("111111");
  await using silent = await createWorld(0);
  await expect(silent.reserve()).rejects.toMatchObject({ reason: ErrorReason.RATE_LIMITED });
  expect(await silent.rows()).toEqual([[], []]);
});

test("a send that did not happen counts for nothing, and the code before it stays good", async () => {
  await using world = await createWorld(1);
  await world.release(await world.reserve());
  expect(await world.rows()).toEqual([[], []]);
  await world.send("111111");
  await using other = await createWorld();
  await other.send("111111");
  other.clock.advance(MINUTE);
  const before = await other.rows();
  const send = await other.reserve();
  // While it is on its way, nothing can be guessed of it, and the old one counts its tries.
  expect(await other.use("000000")).toBe(false);
  await other.release(send);
  const [[number], day] = (await other.rows()) as [[{ tries: number }], unknown];
  expect([[{ ...number, tries: 0 }], day]).toEqual(before);
  expect(number.tries).toBe(1);
  expect(await other.use("111111")).toBe(true);
});

test("neither number nor code can be read in the store, and a number is forgotten after its day", async () => {
  await using world = await createWorld();
  await world.send("123456");
  const text = JSON.stringify(await world.rows());
  expect(text).not.toContain("13800138000");
  expect(text).not.toContain("123456");
  const { read } = world.temp.store;
  world.clock.advance(24 * HOUR - 1);
  expect(await hasExpired(read, "a", world.clock.now())).toBe(false);
  world.clock.advance(1);
  expect(await hasExpired(read, "a", world.clock.now())).toBe(true);
  expect(await world.run((tx) => deleteExpired(tx, 100))).toBe(1);
  expect((await world.rows())[0]).toEqual([]);
});
