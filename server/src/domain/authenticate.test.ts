import { createHash } from "node:crypto";
import { UserKind } from "@parley/proto/parley/v1/user_pb.js";
import { expect, test } from "vitest";
import { TIMES } from "../limits.js";
import { systemClock } from "../ops/clock.js";
import { authenticate } from "./authenticate.js";
import type { Ctx } from "./context.js";
import { ErrorReason } from "./errors.js";
import { createSessionCache, type KnownSession } from "./session-cache.js";
import { newServiceKey, newSessionToken, tokenHash } from "./tokens.js";

const hour = 3_600_000;
const day = 24 * hour;

/** Everything is in the cache, so no store is asked. */
function setUp() {
  const time = { ms: 1_800_000_000_000 };
  const clock = { ...systemClock, now: () => time.ms, mono: () => 0 };
  const sessions = createSessionCache(clock, { mostEntries: 10, lifeMs: 60_000 });
  const writes: string[] = [];
  const ctx = {
    clock,
    sessions,
    times: TIMES,
    operatorTokenHash: createHash("sha256").update("operator-token-1").digest(),
    committer: { run: async (appId: string) => void writes.push(appId) },
  } as unknown as Ctx;
  const token = newSessionToken();
  const session: KnownSession = {
    kind: "session",
    appId: "app",
    id: "s1",
    userId: "Tom",
    userKind: UserKind.ORDINARY,
    usedMs: time.ms,
    expireMs: time.ms + 30 * day,
  };
  sessions.keep(sessions.mark(), tokenHash(token), session);
  const serviceKey = newServiceKey();
  sessions.keep(sessions.mark(), tokenHash(serviceKey), { kind: "service", appId: "app", id: "k1" });
  sessions.keep(sessions.mark(), "user|app|Tom", { kind: "user", appId: "app", id: "Tom", userKind: UserKind.GUEST });
  const call = (authorization?: string, actingUserId?: string, origin?: string) =>
    authenticate(ctx, { authorization, actingUserId, origin });
  return { time, session, token, serviceKey, writes, call };
}

const refused = (reason: ErrorReason) => expect.objectContaining({ reason });

test("each kind of token makes its caller", async () => {
  const { call, token, serviceKey } = setUp();
  const tom = { kind: "user", appId: "app", userId: "Tom" };
  expect(await call()).toEqual({ kind: "nobody" });
  expect(await call(`Bearer ${token}`)).toEqual({ ...tom, userKind: UserKind.ORDINARY, sessionId: "s1" });
  expect(await call(`bearer  ${serviceKey}`)).toEqual({ kind: "service", appId: "app", serviceKeyId: "k1" });
  expect(await call(`Bearer ${serviceKey}`, "Tom")).toEqual({ ...tom, userKind: UserKind.GUEST, sessionId: undefined });
  expect(await call("Bearer operator-token-1")).toEqual({ kind: "operator" });
});

test("what proves nothing is refused", async () => {
  const { call, token, serviceKey } = setUp();
  const calls = [
    call("Bearer operator-token-2"),
    call(token),
    call("Basic dG9t"),
    call(""),
    call(`Bearer ${token} ${token}`),
    call(`Bearer ${token}`, "Tom"),
    call("Bearer operator-token-1", "Tom"),
    call(`Bearer ${serviceKey}`, undefined, "https://chat.example.org"),
  ];
  for (const one of calls) await expect(one).rejects.toEqual(refused(ErrorReason.UNAUTHENTICATED));
});

test("a session slides by its use, and is written at most once an hour", async () => {
  const { call, token, time, writes, session } = setUp();
  const used = async (ms: number) => {
    time.ms += ms;
    await call(`Bearer ${token}`);
    return writes.length;
  };
  expect(await used(hour)).toBe(0);
  expect(await used(1)).toBe(1);
  expect(await used(hour)).toBe(1);
  expect(await used(29 * day)).toBe(2);
  expect(session.expireMs).toBe(time.ms + 30 * day);
  time.ms += 30 * day;
  await expect(call(`Bearer ${token}`)).rejects.toEqual(refused(ErrorReason.SESSION_REVOKED));
  expect(writes).toHaveLength(2);
});
