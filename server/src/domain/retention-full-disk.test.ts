import { expect, test } from "vitest";
import { fakeClock } from "../../../test/support/fake-clock.js";
import { tempStore } from "../../../test/support/temp-store.js";
import { TIMES } from "../limits.js";
import { createLogger } from "../ops/logger.js";
import type { Tx } from "../store/committer.js";
import { createDiskBlobs } from "../store/disk-blobs.js";
import { addDissolved, listDissolved } from "../store/dissolved.js";
import { createAppCache } from "./apps.js";
import { startRetention } from "./retention.js";

const DAY = 86_400_000;

test("on a full disk retention goes on, with what was said in deleted places too", async () => {
  const clock = fakeClock();
  let isThere = true;
  const room = { isThere: () => isThere, lost: () => undefined, tend: () => undefined };
  await using temp = await tempStore({ now: clock.now, room });
  const { read } = temp.store;
  const run = (work: (tx: Tx) => Promise<unknown>) => temp.committer.run("a", work);
  await run(async (tx) => {
    const settings = JSON.stringify({ eventRetentionMs: DAY });
    const app = {
      app_id: "a",
      name: "a",
      client_key: "",
      settings,
      token_keys: null,
      create_ms: 0,
      sms_gateway: null,
      oauth_providers: null,
    };
    await tx.db.insertInto("app").values(app).execute();
    const pos = tx.emit({ kind: 1, payload: Buffer.from("words"), audiences: ["g:gone"] });
    await addDissolved(tx, "g:gone", pos + 1);
  });
  clock.advance(2 * DAY);
  isThere = false;
  await expect(run(async (tx) => tx.emit({ kind: 1, payload: Buffer.alloc(1), audiences: [] }))).rejects.toMatchObject({
    kind: "full",
  });
  const ctx = {
    read,
    committer: temp.committer,
    clock,
    apps: createAppCache(read, clock, TIMES.recordCacheMs),
    sessions: { find: () => undefined, mark: () => 0, keep: () => {}, forget: () => {}, forgetUser: () => {} },
    pushes: { withdraw: () => {}, settled: async () => {}, credentialChanged: () => {} },
    times: TIMES,
    blobs: createDiskBlobs(temp.dataDir),
  };
  const options = { intervalMs: DAY, force: true, onFloor: () => {} };
  const retention = startRetention(ctx, createLogger("silent"), options);
  expect(await retention.runNow()).toMatchObject({ stopped: undefined, events: 1 });
  expect(await listDissolved(read, 1)).toEqual([]);
  await retention.close();
});
