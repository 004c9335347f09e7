import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { examineFolder } from "@parley/server";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { checkLog } from "../../server/src/store/check-log.js";
import { databaseOf, openBeside } from "../support/database.js";
import {
  backend,
  eventually,
  refusal,
  startTestServer,
  type TestServer,
  type TestUser,
  withToken,
} from "../support/index.js";
import { must, newGroup, newPair, newUsers, type To, toEveryone, toGroup, toUser } from "../support/messaging.js";
import { ringingClock } from "../support/ringing-clock.js";
import { beginUpload, filesOf, png, putBytes, upload } from "../support/uploads.js";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
/** Spans that nothing else waits for: by them the timers of retention and of the sweep are known, which the test lets ring. */
const RETENTION_MS = 4_321;
const SWEEP_MS = 7_654_321;

const { clock, time, ring } = ringingClock(RETENTION_MS, SWEEP_MS);
let server: TestServer;
beforeAll(async () => {
  server = await startTestServer({
    clock,
    times: { retentionIntervalMs: RETENTION_MS, fileSweepMs: SWEEP_MS, sessionMs: 365 * DAY },
    limits: { loginTries: 1e4, changeBurst: 1e4, uploadBurst: 1e4, attachmentBytesPerUser: 4 * 64 * 1024 },
    settings: { retentionForce: true },
  });
});
afterAll(() => server.close());

/** Lets time pass, after which retention runs. */
async function pass(ms: number): Promise<void> {
  time.setWall(time.now() + ms);
  await ring(RETENTION_MS);
}

const sendFile = (from: TestUser, receiver: To, attachmentId: string) =>
  from.rpc.message.sendMessage({ receiver, content: { content: { case: "file", value: { attachmentId } } } });
const get = async (user: TestUser, attachmentId: string) => {
  const call = user.rpc.attachment.getAttachment({ attachmentId });
  return await call.then(
    () => "there",
    async () => (await refusal(call)).reason,
  );
};

async function faults() {
  const { db, close } = await openBeside(server.dataDir);
  try {
    return await checkLog(db);
  } finally {
    await close();
  }
}

describe("an attachment", () => {
  test("that is not completed within an hour is gone, with what was put of it", async () => {
    const [tom] = await newPair(server);
    const { attachmentId, uploadUrl } = await beginUpload(tom, 3);
    await putBytes(uploadUrl, Buffer.from("abc"));
    await pass(58 * MINUTE);
    expect(filesOf(server.dataDir, attachmentId)).toHaveLength(1);
    expect((await putBytes(uploadUrl, Buffer.from("abd"))).status).toBe(204);
    await pass(5 * MINUTE);
    expect((await putBytes(uploadUrl, Buffer.from("abe"))).status).toBe(403);
    expect(await refusal(tom.rpc.attachment.completeUpload({ attachmentId }))).toMatchObject({ reason: "NOT_FOUND" });
    expect(filesOf(server.dataDir, attachmentId)).toEqual([]);
  });

  test("that no message uses is gone after a day, and its quota is free again", async () => {
    const [tom, jerry] = await newPair(server);
    const { attachmentId } = await upload(tom, png(200, 200), { mimeType: "image/png" });
    const used = await upload(tom, Buffer.from("used"));
    await sendFile(tom, toUser(jerry.userId), used.attachmentId);
    expect(filesOf(server.dataDir, attachmentId)).toHaveLength(2);
    await pass(23 * HOUR);
    expect(await get(tom, attachmentId)).toBe("there");
    const large = () => beginUpload(tom, 3 * 64 * 1024);
    expect(await refusal(large())).toMatchObject({ reason: "TOO_LARGE" });
    await pass(2 * HOUR);
    await large();
    expect(await get(tom, attachmentId)).toBe("NOT_FOUND");
    expect(filesOf(server.dataDir, attachmentId)).toEqual([]);
    expect([await get(tom, used.attachmentId), await get(jerry, used.attachmentId)]).toEqual(["there", "there"]);
  });

  test("stays as long as its messages do: seven days, and as long as the last of several", async () => {
    const [tom, jerry, spike] = (await newUsers(server, ["tom", "jerry", "spike"])) as [TestUser, TestUser, TestUser];
    for (const other of [jerry, spike]) await tom.rpc.friend.addFriend({ userId: other.userId });
    const { attachmentId } = await upload(tom, Buffer.from("kept"));
    await sendFile(tom, toUser(jerry.userId), attachmentId);
    await pass(3 * DAY);
    await sendFile(tom, toUser(spike.userId), attachmentId);
    await pass(3.5 * DAY);
    expect(await get(jerry, attachmentId)).toBe("there");
    await pass(1 * DAY);
    expect([await get(jerry, attachmentId), await get(spike, attachmentId)]).toEqual(["NOT_FOUND", "there"]);
    expect(filesOf(server.dataDir, attachmentId)).toHaveLength(1);
    await pass(3 * DAY);
    expect([await get(spike, attachmentId), await get(tom, attachmentId)]).toEqual(["NOT_FOUND", "NOT_FOUND"]);
    expect(filesOf(server.dataDir, attachmentId)).toEqual([]);
    expect(await faults()).toEqual([]);
  });

  test("of a group that is deleted goes with it; what went to everyone goes with the log", async () => {
    const [tom, jerry] = await newPair(server);
    const groupId = await newGroup(tom, [jerry]);
    const { attachmentId } = await upload(tom, Buffer.from("group"));
    await sendFile(tom, toGroup(groupId), attachmentId);
    const app = { rpc: backend(server) };
    const poster = await upload(app, Buffer.from("all"));
    const content = { content: { case: "file" as const, value: { attachmentId: poster.attachmentId } } };
    await app.rpc.admin.sendSystemMessage({ receiver: toEveryone, content });
    await pass(2 * DAY);
    expect([await get(jerry, attachmentId), await get(jerry, poster.attachmentId)]).toEqual(["there", "there"]);
    await tom.rpc.group.deleteGroup({ groupId });
    expect(await get(jerry, attachmentId)).toBe("NOT_FOUND");
    await pass(MINUTE);
    expect(await get(tom, attachmentId)).toBe("NOT_FOUND");
    expect(filesOf(server.dataDir, attachmentId)).toEqual([]);
    await pass(6 * DAY);
    expect(await get(jerry, poster.attachmentId)).toBe("NOT_FOUND");
    expect(filesOf(server.dataDir, poster.attachmentId)).toEqual([]);
    expect(await faults()).toEqual([]);
  });

  test("of a user who is deleted goes with its messages; what others forwarded stays theirs", async () => {
    const [tom, jerry, spike] = (await newUsers(server, ["tom", "jerry", "spike"])) as [TestUser, TestUser, TestUser];
    const { admin } = backend(server);
    const [sent, passed] = [await upload(tom, Buffer.from("sent")), await upload(tom, Buffer.from("passed on"))];
    for (const { attachmentId } of [sent, passed]) await sendFile(tom, toUser(jerry.userId), attachmentId);
    await sendFile(jerry, toUser(spike.userId), passed.attachmentId);
    await admin.deleteUser({ userId: tom.userId });
    expect([await get(jerry, sent.attachmentId), await get(jerry, passed.attachmentId)]).toEqual([
      "NOT_FOUND",
      "there",
    ]);
    const { sessionToken } = await admin.createSession({ userId: tom.userId });
    const another = { ...tom, rpc: withToken(server, sessionToken) };
    expect(await get(another, sent.attachmentId)).toBe("NOT_FOUND");
    await pass(2 * DAY);
    expect(filesOf(server.dataDir, sent.attachmentId)).toEqual([]);
    expect([await get(spike, passed.attachmentId), await get(another, passed.attachmentId)]).toEqual([
      "there",
      "NOT_FOUND",
    ]);
    expect(await faults()).toEqual([]);
  });

  test("of imported messages is any of the app's, and kept with them", async () => {
    const [tom, jerry] = await newPair(server);
    const { admin, attachment } = backend(server);
    const { attachmentId } = await upload({ rpc: backend(server) }, Buffer.from("old"));
    const message = (id: string) => ({
      senderUserId: tom.userId,
      content: { content: { case: "file" as const, value: { attachmentId: id } } },
      createTime: { seconds: BigInt(Math.floor(time.now() / 1000) - 60), nanos: 0 },
      clientMessageId: "old",
    });
    const bring = (id: string) => {
      const conversation = { case: "users" as const, value: { firstUserId: tom.userId, secondUserId: jerry.userId } };
      return admin.importMessages({ conversation, messages: [message(id)] });
    };
    expect(await refusal(bring("unknown"))).toMatchObject({
      reason: "NOT_FOUND",
      field: "messages[0].content.file.attachment_id",
    });
    await bring(attachmentId);
    await pass(2 * DAY);
    expect([await get(tom, attachmentId), await get(jerry, attachmentId)]).toEqual(["there", "there"]);
    expect((await attachment.getAttachment({ attachmentId })).attachment?.sizeBytes).toBe(3);
  });
});

describe("the files of attachments", () => {
  test("that no record knows are removed at the start and by and by, all others stay", async () => {
    const [tom, jerry] = await newPair(server);
    const { attachmentId } = await upload(tom, png(100, 100), { mimeType: "image/png" });
    await sendFile(tom, toUser(jerry.userId), attachmentId);
    const begun = await beginUpload(tom, 3);
    await putBytes(begun.uploadUrl, Buffer.from("abc"));
    const leave = () => {
      const stray = join(server.dataDir, "attachments", server.appId, "zz");
      mkdirSync(stray, { recursive: true });
      for (const name of ["gone-zz", "gone-zz.thumbnail", "gone-zz.upload", `${attachmentId}.upload.0.draft`])
        writeFileSync(join(stray, name), "x");
    };
    const kept = () => filesOf(server.dataDir).filter((name) => !name.startsWith("gone") && !name.endsWith(".draft"));
    const before = kept();
    expect(before).toEqual(
      expect.arrayContaining([attachmentId, `${attachmentId}.thumbnail`, `${begun.attachmentId}.upload`]),
    );
    leave();
    server = await server.restart();
    time.advance(0);
    await eventually(() => expect(filesOf(server.dataDir)).toEqual(before));
    leave();
    await ring(SWEEP_MS);
    expect(filesOf(server.dataDir)).toEqual(before);
    const again = { ...tom, rpc: withToken(server, tom.token) };
    expect(
      (await again.rpc.attachment.completeUpload({ attachmentId: begun.attachmentId })).attachment?.sizeBytes,
    ).toBe(3);
  });

  test("that are missing are told by the doctor, and so are those that are cut off", async () => {
    const own = await startTestServer();
    const examine = async () =>
      (
        await examineFolder(own.dataDir, {
          quick: false,
          secretKey: undefined,
          databaseUrl: await databaseOf(own.dataDir),
        })
      )
        .filter(({ check }) => check === "attachments")
        .map(({ state, text }) => `${state}: ${text}`);
    const [tom] = await newPair(own);
    const ids: string[] = [];
    for (const byte of [1, 2, 3]) ids.push((await upload(tom, Buffer.alloc(10, byte))).attachmentId);
    await own.running.close();
    expect(await examine()).toEqual(["ok: 3 attachments, all with their bytes"]);
    const fileOf = (id: string) => join(own.dataDir, "attachments", own.appId, id.slice(-2), id);
    writeFileSync(fileOf(must(ids[0])), "short");
    rmSync(fileOf(must(ids[1])));
    expect(await examine()).toEqual([
      `problem: 2 of 3 attachments lack their bytes, such as ${ids[0]} of app ${own.appId}`,
    ]);
    rmSync(own.dataDir, { recursive: true });
  });
});
