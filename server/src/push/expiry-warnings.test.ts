import { expect, test } from "vitest";
import { eventually } from "../../../test/support/eventually.js";
import { fakeClock } from "../../../test/support/fake-clock.js";
import { tempStore } from "../../../test/support/temp-store.js";
import { createLogger } from "../ops/logger.js";
import { putPushCredential } from "../store/push-credentials.js";
import { startExpiryWarnings } from "./expiry-warnings.js";

const DAY_MS = 86_400_000;

test("a certificate is told of in its last 30 days, at the start and every day, and when it has expired", async () => {
  await using temp = await tempStore();
  const clock = fakeClock();
  const endMs = clock.now() + 31 * DAY_MS;
  const facts = { kind: 2, sealed: Buffer.of(1), fingerprint: "", project_id: "", key_id: "", create_ms: 1 };
  await temp.committer.run("app", async (tx) => {
    await putPushCredential(tx, { ...facts, provider: 1, environment: 1, topic: "com.example.chat", expire_ms: endMs });
    await putPushCredential(tx, { ...facts, provider: 2, environment: 0, topic: "", expire_ms: null });
  });
  const lines: Record<string, unknown>[] = [];
  const logger = createLogger("info", {
    write: (line) => void lines.push(JSON.parse(line) as Record<string, unknown>),
  });
  const times = { credentialExpiryWarningMs: 30 * DAY_MS, credentialCheckMs: DAY_MS };
  const start = () => startExpiryWarnings({ read: temp.store.read, clock, logger, times });
  const looked = () => eventually(() => expect(clock.pending).toBe(1));

  const warnings = start();
  await looked();
  clock.advance(DAY_MS - 1);
  expect(lines).toEqual([]);
  clock.advance(1);
  await looked();
  // 30 days to go are not less than 30.
  expect(lines).toEqual([]);
  clock.advance(DAY_MS);
  await looked();
  const expireTime = new Date(endMs).toISOString();
  expect(lines).toMatchObject([{ level: "warn", appId: "app", topic: "com.example.chat", environment: 1, expireTime }]);
  warnings.close();
  expect(clock.pending).toBe(0);

  lines.length = 0;
  const again = start();
  await looked();
  expect(lines).toMatchObject([{ level: "warn", expireTime }]);
  clock.setWall(endMs);
  clock.advance(DAY_MS);
  await looked();
  expect(lines.slice(1)).toMatchObject([{ level: "error", appId: "app", expireTime }]);
  again.close();
});
