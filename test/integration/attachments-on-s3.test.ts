import { randomBytes } from "node:crypto";
import { rmSync } from "node:fs";
import { type Client, createClient, ParleyError, user } from "@parley/client";
import { nodePlatform } from "@parley/client/node";
import { examineFolder } from "@parley/server";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { parleyProcess } from "../support/command.js";
import { databaseOf } from "../support/database.js";
import { type FakeS3, startFakeS3 } from "../support/fake-s3.js";
import { eventually, startTestServer, type TestServer } from "../support/index.js";
import { must, newPair, subject } from "../support/messaging.js";
import { freePort } from "../support/process-server.js";
import { ringingClock } from "../support/ringing-clock.js";
import { tempFolder } from "../support/temp-store.js";
import { beginUpload, filesOf, png, putBytes, upload } from "../support/uploads.js";

const DAY = 86_400_000;
const RETENTION_MS = 4_321;
const SWEEP_MS = 7_654_321;

describe.each([
  ["bytes pass through the server", false],
  ["clients go to the store itself", true],
])("attachments on S3, where %s", (_name, isDirect) => {
  let s3: FakeS3;
  let server: TestServer;
  let clients: Client[];
  let time: ReturnType<typeof ringingClock>;
  beforeEach(async () => {
    [s3, clients, time] = [await startFakeS3(), [], ringingClock(RETENTION_MS, SWEEP_MS)];
    const publicUrl = isDirect ? s3.settings.endpoint : undefined;
    server = await startTestServer({
      clock: time.clock,
      times: { retentionIntervalMs: RETENTION_MS, fileSweepMs: SWEEP_MS, sessionMs: 365 * DAY },
      settings: { retentionForce: true, s3: { ...s3.settings, publicUrl }, logLevel: "fatal" },
    });
  });
  afterEach(async () => {
    for (const client of clients) await client.close();
    await server.close();
    await s3.close();
  });

  const enter = async (name: string) => {
    const { url: baseUrl, appId, clientKey } = server;
    const client = createClient({ baseUrl, appId, clientKey, reconnectWait: 20, platform: nodePlatform() });
    clients.push(client);
    await client.login({ bareId: subject(name) });
    return client;
  };
  const kept = () => [...s3.objects.keys()].filter((key) => key !== "owner");
  const bytesAt = async (url: string) => Buffer.from(await (await fetch(url)).arrayBuffer());

  test("a picture goes up, to its receiver with a thumbnail, and away with its message", async () => {
    const [tom, jerry] = [await enter("tom"), await enter("jerry")];
    const jerryId = must(jerry.currentUser).userId;
    await tom.friends.add(jerryId);
    const picture = new File([png(300, 200)], "die Katze (1).png", { type: "image/png" });
    const { content } = await tom.messages.send(user(jerryId), { image: picture }).stored;
    if (content?.content.case !== "image") throw new Error("a picture was expected");
    const { attachmentId, width, height } = content.content.value;
    expect([width, height]).toEqual([300, 200]);
    expect(kept()).toHaveLength(2);
    expect(filesOf(server.dataDir)).toEqual([]);
    const got = await jerry.attachments.get(attachmentId);
    expect(got.url.startsWith(isDirect ? s3.settings.endpoint.href : server.url)).toBe(true);
    expect((await bytesAt(got.url)).equals(png(300, 200))).toBe(true);
    expect((await bytesAt(got.thumbnailUrl)).subarray(8, 12).toString()).toBe("WEBP");
    const answer = await fetch(got.url, { headers: { range: "bytes=1-3" } });
    expect([answer.status, await answer.text()]).toEqual([206, "PNG"]);
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      "content-type": "image/png",
      "content-disposition": "attachment; filename*=UTF-8''die%20Katze%20%281%29.png",
    });
    time.time.setWall(time.time.now() + 8 * DAY);
    await time.ring(RETENTION_MS);
    expect(kept()).toEqual([]);
    // Our own address is over by the clock of the test, the store's by no clock of ours.
    expect((await fetch(got.url)).status).toBe(isDirect ? 404 : 403);
  });

  test("what a browser could run is neither kept nor given as such", async () => {
    const [tom] = await newPair(server);
    const { url } = await upload(tom, Buffer.from("<script>"), { mimeType: "text/html", fileName: "a.html" });
    expect(s3.objects.get(must(kept()[0]))?.contentType).toBe("application/octet-stream");
    const { headers } = await fetch(url);
    expect(headers.get("content-type")).toBe("application/octet-stream");
    expect(headers.get("content-disposition")).toMatch(/^attachment/);
  });

  test("more or fewer bytes than were declared are not taken, and a claimed one never changes", async () => {
    const [tom] = await newPair(server);
    const { attachmentId, uploadUrl, headers } = await beginUpload(tom, 4);
    for (const bytes of ["12345", "123"])
      expect((await putBytes(uploadUrl, Buffer.from(bytes), headers)).status).toBeGreaterThanOrEqual(400);
    expect(kept()).toEqual([]);
    await putBytes(uploadUrl, Buffer.from("1234"), headers);
    const { url } = must((await tom.rpc.attachment.completeUpload({ attachmentId })).attachment);
    const again = await putBytes(uploadUrl, Buffer.from("evil"), headers);
    expect(again.status).toBe(isDirect ? 200 : 409);
    await tom.rpc.attachment.completeUpload({ attachmentId });
    expect((await bytesAt(url)).toString()).toBe("1234");
  });

  test("a store that cannot be had is told as one, and what was begun goes on when it is back", async () => {
    const tom = await enter("tom");
    s3.script(() => ({ status: 503, code: "SlowDown" }));
    const failure = await tom.attachments.upload(randomBytes(1000)).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(ParleyError);
    // S3 tells no reason of ours: its own status says that it may be tried again.
    expect(failure).toMatchObject(
      isDirect ? { code: "unavailable" } : { reason: "STORAGE_UNAVAILABLE", retryable: true },
    );
    s3.script(() => undefined);
    expect(await tom.attachments.upload(randomBytes(1000))).toMatchObject({ sizeBytes: 1000 });
  });

  test("the sweep takes what no record knows, and the doctor says what is missing", async () => {
    const [tom] = await newPair(server);
    const [there, lost] = [await upload(tom, Buffer.from("there")), await upload(tom, Buffer.from("lost"))];
    const stray = { body: Buffer.from("x"), contentType: "", etag: "", modifiedMs: 0 };
    s3.objects.set(`attachments/${server.appId}/zz/gone-zz`, stray).set("uploads/x/zz/gone-zz", stray);
    time.time.advance(0);
    await eventually(() => expect(kept()).toHaveLength(2));
    for (const key of kept()) if (key.endsWith(lost.attachmentId)) s3.objects.delete(key);
    expect((await tom.rpc.attachment.getAttachment({ attachmentId: there.attachmentId })).attachment?.sizeBytes).toBe(
      5,
    );
    const { running, dataDir, appId } = server;
    await running.close();
    const databaseUrl = await databaseOf(dataDir);
    const examine = async () =>
      (await examineFolder(dataDir, { quick: false, secretKey: undefined, s3: s3.settings, databaseUrl }))
        .filter(({ check }) => check === "attachments")
        .map(({ state, text }) => `${state}: ${text}`);
    expect(await examine()).toEqual([
      `problem: 1 of 2 attachments lack their bytes, such as ${lost.attachmentId} of app ${appId}`,
    ]);
    s3.script(() => ({ status: 403, code: "AccessDenied" }));
    expect(await examine()).toEqual([expect.stringMatching(/^problem: the bucket cannot be looked at: HEAD .* 403/)]);
    rmSync(dataDir, { recursive: true });
  });
});

test("a bucket that another Parley uses is refused at the start", async () => {
  await using s3 = await startFakeS3();
  const first = await startTestServer({ settings: { s3: s3.settings } });
  const second = startTestServer({ settings: { s3: s3.settings } });
  await expect(second).rejects.toThrow("another Parley");
  const again = await first.restart();
  await again.close();
});

test("parley serve ends in plain words when the bucket is refused (78) or the store cannot be had (69)", async () => {
  await using s3 = await startFakeS3();
  using folder = tempFolder();
  const { endpoint, bucket, region, accessKeyId } = s3.settings;
  const serve = async (url: string) =>
    await parleyProcess(
      ...["serve", "--port", "0", "--data-dir", folder.path, "--s3-endpoint", url, "--s3-bucket", bucket],
      ...["--s3-region", region, "--s3-access-key-id", accessKeyId, "--s3-secret-access-key", "not-the-one"],
    );
  expect(await serve(endpoint.href)).toMatchObject({
    code: 78,
    stderr: expect.stringMatching(/^parley: the bucket of PARLEY_S3_BUCKET, .*SignatureDoesNotMatch\n$/m),
  });
  const gone = await serve(`http://127.0.0.1:${await freePort()}`);
  expect(gone).toMatchObject({
    code: 69,
    stderr: expect.stringMatching(/the store of PARLEY_S3_ENDPOINT, .*ECONNREFUSED/),
  });
  expect(gone.stderr).not.toContain("not-the-one");
});
