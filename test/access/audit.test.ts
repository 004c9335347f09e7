import { randomUUID } from "node:crypto";
import { type DescMethod, toJsonString } from "@bufbuild/protobuf";
import { MethodOptions_IdempotencyLevel as Idempotency } from "@bufbuild/protobuf/wkt";
import { AuditEntrySchema, AuditOutcome } from "@parley/proto/parley/v1/audit_entry_pb.js";
import { ErrorReason } from "@parley/proto/parley/v1/error_detail_pb.js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { breakStatements, sqliteError } from "../support/broken-statements.js";
import { fakeClock } from "../support/fake-clock.js";
import { backend, eventually, operator, refusal, startTestServer, type TestServer } from "../support/index.js";
import { millis, must, newGroup, newPair, otherApp, text, toGroup, toRoom } from "../support/messaging.js";
import { figure } from "../support/proofs/figure.js";
import { tempFolder } from "../support/temp-store.js";
import { bearer, call, METHODS } from "./call.js";
import { PRIVILEGES } from "./privileges.js";
import { isStruct, type Sample, withValue } from "./samples.js";
import { fresh, furnish, samplesIn, TAKES_AWAY, type World } from "./world.js";

const { DONE, REFUSED, FAILED } = AuditOutcome;

const folder = tempFolder();
let server: TestServer;
beforeAll(async () => {
  const limits = { changeBurst: 1e6, loginTries: 1e6 };
  server = await startTestServer({
    limits,
    times: { countsPersistMs: 20 },
    settings: { dataDir: folder.path, logLevel: "silent" },
  });
});
afterAll(async () => {
  await server.close();
  folder[Symbol.dispose]();
});

/** The calls that change something and are the backend's or the operator's to make in their own names. */
function administrative(): { method: DescMethod; token: string }[] {
  const may = (role: "backend" | "operator", method: DescMethod) =>
    PRIVILEGES.some(({ call: name, outcomes }) => name.split(" ")[0] === shortName(method) && outcomes[role] === "yes");
  return [...METHODS.values()]
    .filter(({ idempotency, methodKind }) => idempotency !== Idempotency.NO_SIDE_EFFECTS && methodKind === "unary")
    .filter(({ parent }) => parent.name !== "AuthService")
    .flatMap((method) => {
      if (may("operator", method)) return [{ method, token: server.operatorToken }];
      return may("backend", method) ? [{ method, token: server.serviceKey }] : [];
    });
}
const shortName = (method: DescMethod) => `${method.parent.name}/${method.name}`;
const fullName = (method: DescMethod) => `${method.parent.typeName}/${method.name}`;

/** The entries of a call's request id, whoever made it. */
async function entriesOf(requestId: string) {
  const [own, above] = await Promise.all([
    backend(server).admin.listAuditEntries({ pageSize: 100 }),
    operator(server).listOperatorAuditEntries({ pageSize: 100 }),
  ]);
  return [...own.entries, ...above.entries].filter((entry) => entry.requestId === requestId);
}

describe("the record of administration", () => {
  test("holds every call that changes something, with the ids it names", async (context) => {
    let world = await furnish(server);
    const unrecorded: string[] = [];
    const recorded = new Set<DescMethod>();
    const methods = administrative();
    for (const { method, token } of methods)
      for (let at = 0; ; at += 1) {
        const sample: Sample | undefined = samplesIn(world, method)[at];
        if (sample === undefined) break;
        const requestId = randomUUID();
        const answer = await call(server.url, method, fresh(sample), { ...bearer(token), "x-request-id": requestId });
        // What breaks a rule of the contract never becomes a call.
        if (!answer.ok && answer.reason === "INVALID_FIELD") continue;
        const entries = await eventually(async () => {
          const found = await entriesOf(requestId);
          if (found.length === 0) throw new Error("no entry");
          return found;
        }).catch(() => []);
        const [entry] = entries;
        if (entries.length !== 1 || entry === undefined) {
          unrecorded.push(`${sample.name}: ${entries.length} entries`);
          continue;
        }
        recorded.add(method);
        expect(entry, sample.name).toMatchObject({
          method: fullName(method),
          outcome: answer.ok ? DONE : REFUSED,
          reason: answer.ok ? ErrorReason.UNSPECIFIED : ErrorReason[answer.reason as keyof typeof ErrorReason],
          address: "127.0.0.1",
        });
        expect(entry.serviceKeyId === "", sample.name).toBe(token === server.operatorToken);
        const ids = entry.targets.map(({ id }) => id);
        for (const id of idsIn(sample, world)) expect(ids, sample.name).toContain(id);
        expect(entry.targetCount).toBe(ids.length);
        if (answer.ok && TAKES_AWAY.test(method.name)) world = await furnish(server);
      }
    expect(unrecorded).toEqual([]);
    expect(methods.filter(({ method }) => !recorded.has(method)).map(({ method }) => method.name)).toEqual([]);
    expect(methods.filter(({ method }) => method.parent.name === "AdminService").length).toBeGreaterThan(8);
    expect(methods.filter(({ method }) => method.parent.name === "OperatorService").length).toBeGreaterThan(4);
    expect(methods.filter(({ method }) => method.parent.name === "GroupService").length).toBeGreaterThan(5);
    figure(context, `${methods.length} administrative RPCs, each recorded once with what it names`);
  }, 300_000);

  /** The ids of the world that a request names. */
  function idsIn(sample: Sample, { ids }: World): string[] {
    const text = JSON.stringify(sample.request);
    return Object.values(ids).filter((id) => text.includes(`"${id}"`));
  }

  test("holds no content and no secret", async () => {
    const world = await furnish(server);
    const canary = `Canary-${randomUUID()}`;
    for (const { method, token } of administrative())
      for (const sample of samplesIn(world, method))
        for (const place of sample.places.filter(({ field }) => !/_ids?$/.test(field.name)))
          await call(
            server.url,
            method,
            withValue(fresh(sample), place, isStruct(place) ? { [canary]: canary } : canary),
            bearer(token),
          );
    const { record, serviceKey } = await backend(server).admin.createServiceKey({ name: canary });
    await backend(server).admin.setTokenKeys({
      keys: [{ key: { case: "hs256Secret", value: canary }, keyId: canary }],
    });
    const written = await eventually(async () => {
      const rows = [];
      for (let pageToken = ""; ; ) {
        const page = await backend(server).admin.listAuditEntries({ pageSize: 100, pageToken });
        rows.push(...page.entries);
        if (page.nextPageToken === "") break;
        pageToken = page.nextPageToken;
      }
      const text = rows.map((entry) => toJsonString(AuditEntrySchema, entry)).join("\n");
      expect(text).toContain("SetTokenKeys");
      return text;
    });
    expect(must(record).name).toBe(canary);
    for (const secret of [canary, serviceKey, server.serviceKey, server.operatorToken])
      expect(written).not.toContain(secret);
  }, 120_000);

  test("is written with the change, or neither is", async () => {
    const clock = fakeClock(Date.now());
    using own = tempFolder();
    const small = await startTestServer({ clock, settings: { dataDir: own.path, logLevel: "silent" } });
    const { admin } = backend(small);
    const statements = breakStatements();
    let [tried, made] = [0, 0];
    for (let done = false; !done; tried += 1) {
      const before = (await admin.getSettings({})).settings?.maxGroupMembers;
      const wanted = 100 + tried;
      statements.failAfter(tried, sqliteError("SQLITE_BUSY"));
      const answer = await admin.updateSettings({ settings: { maxGroupMembers: wanted } }).catch(() => undefined);
      // What failed may have been work in the background, and the call gone well.
      done = statements.stop() === undefined;
      if (answer !== undefined) made += 1;
      const { entries } = await admin.listAuditEntries({});
      expect((await admin.getSettings({})).settings?.maxGroupMembers).toBe(answer === undefined ? before : wanted);
      // The timer that writes refusals never rings here.
      expect(entries.map(({ outcome }) => outcome)).toEqual(Array(made).fill(DONE));
    }
    statements.restore();
    expect(tried).toBeGreaterThan(4);
    await small.close();
  });

  test("tells refusals by their reason, and not what users do or what is done for them", async () => {
    const [app] = [await otherApp(server)];
    const [tom, jerry] = await newPair(app);
    const group = await newGroup(tom, [jerry]);
    const { admin, group: groups, as } = backend(app);
    await refusal(admin.revokeServiceKey({ serviceKeyId: "not-there" }));
    await refusal(groups.deleteGroup({ groupId: "not-there" }));
    await refusal(admin.sendSystemMessage({ receiver: toGroup("not-there"), content: text("x") }));
    await refusal(admin.sendSystemMessage({ receiver: toRoom("not-there"), content: text("x") }));
    await as(tom.userId).group.updateGroup({ groupId: group, name: "renamed" });
    await tom.rpc.group.updateGroup({ groupId: group, name: "again" });
    await admin.getSettings({});
    await groups.deleteGroup({ groupId: group });
    const entries = await eventually(async () => {
      const found = (await admin.listAuditEntries({})).entries;
      expect(found).toHaveLength(5);
      return found;
    });
    const told = entries.map(({ method, outcome, reason, targets }) =>
      [method.split("/")[1], outcome, ErrorReason[reason], ...targets.map(({ field, id }) => `${field}=${id}`)].join(
        " ",
      ),
    );
    expect(told.sort()).toEqual(
      [
        `DeleteGroup ${DONE} UNSPECIFIED group_id=${group}`,
        `DeleteGroup ${REFUSED} NOT_FOUND group_id=not-there`,
        `RevokeServiceKey ${REFUSED} NOT_FOUND service_key_id=not-there`,
        `SendSystemMessage ${REFUSED} NOT_FOUND receiver.group_id=not-there`,
        `SendSystemMessage ${REFUSED} NOT_FOUND receiver.room_id=not-there`,
      ].sort(),
    );
  });

  test("tells what failed by a fault of the server", async () => {
    const clock = fakeClock(Date.now());
    using own = tempFolder();
    const small = await startTestServer({ clock, settings: { dataDir: own.path, logLevel: "silent" } });
    const { admin } = backend(small);
    // From here on the key is known by heart, so the first statement is of the work itself.
    await admin.getSettings({});
    const statements = breakStatements();
    statements.failAfter(0, new Error("injected"));
    expect(await refusal(admin.createServiceKey({ name: "x" }))).toMatchObject({ code: "Internal" });
    expect(statements.stop()).toBeDefined();
    statements.restore();
    await eventually(async () => {
      clock.advance(10_000);
      expect((await admin.listAuditEntries({})).entries.map(({ outcome }) => outcome)).toEqual([FAILED]);
    });
    await small.close();
  });

  test("is listed by time, by call and by pages, newest first, each app its own", async () => {
    const app = await otherApp(server);
    const { admin } = backend(app);
    for (const name of ["one", "two", "three"]) await admin.createServiceKey({ name });
    await admin.setTokenKeys({ keys: [] });
    const all = (await admin.listAuditEntries({})).entries;
    expect(all.map(({ method }) => method.split("/")[1])).toEqual([
      "SetTokenKeys",
      ...Array.from({ length: 3 }, () => "CreateServiceKey"),
    ]);
    expect(new Set(all.map(({ appId }) => appId))).toEqual(new Set([app.appId]));
    const paged = [];
    for (let pageToken = ""; ; ) {
      const page = await admin.listAuditEntries({ pageSize: 1, pageToken });
      paged.push(...page.entries);
      if (page.nextPageToken === "") break;
      pageToken = page.nextPageToken;
    }
    expect(paged).toEqual(all);
    expect((await admin.listAuditEntries({ method: "parley.v1.AdminService/SetTokenKeys" })).entries).toEqual([all[0]]);
    const [newest, oldest] = [must(all[0]).createTime, must(all.at(-1)).createTime];
    const within = (from: number, to: number) =>
      all.filter(({ createTime }) => millis(createTime) >= from && millis(createTime) < to);
    expect((await admin.listAuditEntries({ fromTime: must(newest) })).entries).toEqual(
      within(millis(newest), Infinity),
    );
    expect((await admin.listAuditEntries({ toTime: must(newest) })).entries).toEqual(within(0, millis(newest)));
    expect((await admin.listAuditEntries({ fromTime: must(newest), toTime: must(oldest) })).entries).toEqual([]);
    expect(await refusal(admin.listAuditEntries({ pageToken: "x" }))).toMatchObject({ field: "page_token" });
  });

  test("names at most 100 things, and says how many there were", async () => {
    const app = await otherApp(server);
    const users = Array.from({ length: 100 }, (_, at) => ({ userId: `user${at}` }));
    await backend(app).admin.batchUpsertUsers({ users });
    const memberUserIds = users.map(({ userId }) => userId);
    await backend(app).group.createGroup({ name: "g", memberUserIds: [...memberUserIds, "user0"] });
    const [created, upserted] = (await backend(app).admin.listAuditEntries({})).entries;
    expect(upserted).toMatchObject({
      targetCount: 100,
      targets: users.map(({ userId: id }) => ({ field: "users.user_id", id })),
    });
    expect(created?.targetCount).toBe(101);
    expect(created?.targets).toHaveLength(100);
    expect(created?.targets[0]).toMatchObject({ field: "member_user_ids", id: "user0" });
  });

  test("is kept for 400 days", async () => {
    const began = Date.UTC(2030, 0, 1);
    const clock = fakeClock(began);
    using own = tempFolder();
    const settings = { dataDir: own.path, retentionForce: true };
    const small = await startTestServer({ clock, settings, times: { sessionMs: 1e12, retentionIntervalMs: 60_000 } });
    const { admin } = backend(small);
    await admin.createServiceKey({ name: "old" });
    await operator(small).createApp({ name: "old" });
    const left = async () => [
      (await admin.listAuditEntries({})).entries.length,
      (await operator(small).listOperatorAuditEntries({})).entries.length,
    ];
    for (const [days, kept] of [
      [399, [1, 1]],
      [401, [0, 0]],
    ] as const) {
      clock.setWall(began + days * 86_400_000);
      await eventually(async () => {
        clock.advance(60_000);
        expect(await left()).toEqual(kept);
      });
    }
    await small.close();
  });
});
