import { expect, test } from "vitest";
import { fakeClock } from "../../../../test/support/fake-clock.js";
import { tempStore } from "../../../../test/support/temp-store.js";
import type { Logger } from "../../ops/logger.js";
import type { AuditRow } from "../../store/audit.js";
import type { Committer } from "../../store/committer.js";
import { StoreError } from "../../store/errors.js";
import type { Ctx } from "../context.js";
import { createAuditLog } from "./audit-log.js";

const row = (id: string): AuditRow => ({
  app_id: "app",
  create_ms: 1,
  entry_id: id,
  service_key_id: "key",
  method: "",
  targets: "[]",
  target_count: 0,
  outcome: 1,
  reason: 0,
  request_id: "",
  address: "",
});

test("what cannot be written yet waits, the newest of it, and what is lost is told", async () => {
  await using temp = await tempStore();
  const told: unknown[] = [];
  let full = true;
  const run: Committer["run"] = (appId, work) =>
    full ? Promise.reject(new StoreError("full")) : temp.committer.run(appId, work);
  const logger = { warn: () => undefined, error: (fields: unknown) => void told.push(fields) };
  const ctx = {
    clock: fakeClock(),
    committer: { run },
    limits: { auditWaitingEntries: 3 },
    times: { countsPersistMs: 1_000 },
  };
  const log = createAuditLog(ctx as unknown as Ctx, logger as unknown as Logger);
  const kept = async () =>
    (await temp.store.read.selectFrom("audit_entry").select("entry_id").execute()).map(Object.values);
  for (const id of ["a", "b", "c"]) log.later(row(id));
  await log.close();
  log.later(row("d"));
  expect(await kept()).toEqual([]);
  full = false;
  await log.close();
  expect((await kept()).flat().sort()).toEqual(["b", "c", "d"]);
  expect(told).toEqual([{ entries: 1 }]);
});
