import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { appendFileSync, mkdtempSync, readdirSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import http from "node:http";
import { join } from "node:path";
import { examineFolder } from "@parley/server";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventually, login, refusal, startTestServer, type TestServer, type TestUser } from "../support/index.js";
import { must, toUser } from "../support/messaging.js";
import { figuresOf, mib } from "../support/process-figures.js";
import { freePort, type ProcessServer, spawnServer } from "../support/process-server.js";
import { figure } from "../support/proofs/figure.js";
import { makeSmallDisk } from "../support/small-disk.js";
import { TEMP_PARENT } from "../support/temp-parent.js";
import { beginUpload, filesOf, png, putBytes, upload } from "../support/uploads.js";

const MIB = 1024 * 1024;

describe("attachments over kill -9", () => {
  const dataDir = mkdtempSync(join(TEMP_PARENT, "parley-attachments-"));
  let port: number;
  let server: ProcessServer;
  let tom: TestUser;
  let jerry: TestUser;
  beforeAll(async () => {
    port = await freePort();
    server = await spawnServer({ dataDir, port });
    [tom, jerry] = [await login(server, "Tom"), await login(server, "Jerry")];
  });
  afterAll(async () => {
    await server.stop();
    rmSync(dataDir, { recursive: true, force: true });
  });

  const crash = async () => {
    await server.kill();
    server = await spawnServer({ dataDir, port });
  };
  const hashOf = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
  const send = (attachmentId: string) =>
    tom.rpc.message.sendMessage({
      receiver: toUser("Jerry"),
      content: { content: { case: "file", value: { attachmentId } } },
    });
  const read = async (attachmentId: string) => {
    const { attachment } = await jerry.rpc.attachment.getAttachment({ attachmentId });
    return Buffer.from(await (await fetch(must(attachment).url)).arrayBuffer());
  };

  it("what was put can be completed, what was completed can be sent, what was sent can be read", async () => {
    const bytes = randomBytes(3 * MIB);
    const { attachmentId, uploadUrl } = await beginUpload(tom, bytes.length);
    expect((await putBytes(uploadUrl, bytes)).status).toBe(204);
    await crash();
    await tom.rpc.attachment.completeUpload({ attachmentId, sha256: hashOf(bytes) });
    await crash();
    await send(attachmentId);
    await crash();
    expect((await read(attachmentId)).equals(bytes)).toBe(true);
  });

  it("in the middle of a PUT leaves nothing, and the same address takes the bytes again", async () => {
    const bytes = randomBytes(2 * MIB);
    const { attachmentId, uploadUrl } = await beginUpload(tom, bytes.length);
    const req = http.request(uploadUrl, { method: "PUT", headers: { "content-length": bytes.length }, agent: false });
    req.on("error", () => undefined);
    req.write(bytes.subarray(0, MIB));
    await eventually(() => expect(filesOf(dataDir, attachmentId)).toHaveLength(1));
    await crash();
    await eventually(() => expect(filesOf(dataDir, attachmentId)).toEqual([]));
    expect(await refusal(tom.rpc.attachment.completeUpload({ attachmentId }))).toMatchObject({
      reason: "UPLOAD_INCOMPLETE",
    });
    expect((await putBytes(uploadUrl, bytes)).status).toBe(204);
    await tom.rpc.attachment.completeUpload({ attachmentId, sha256: hashOf(bytes) });
  });

  it("at any moment of CompleteUpload leaves an upload that can be completed, or one that is", async (context) => {
    let [known, unknown] = [0, 0];
    for (let round = 0; round < 8; round += 1) {
      const picture = png(400, 300 + round);
      const { attachmentId, uploadUrl } = await beginUpload(tom, picture.length, { mimeType: "image/png" });
      await putBytes(uploadUrl, picture);
      const answer = tom.rpc.attachment.completeUpload({ attachmentId }).then(
        () => known++,
        () => unknown++,
      );
      await new Promise((resolve) => setTimeout(resolve, round * 4));
      await crash();
      await answer;
      const { attachment } = await tom.rpc.attachment.completeUpload({ attachmentId, sha256: hashOf(picture) });
      expect(attachment).toMatchObject({ width: 400, height: 300 + round, sizeBytes: picture.length });
      expect((await fetch(must(attachment).thumbnailUrl)).status).toBe(200);
      await send(attachmentId);
    }
    await server.kill();
    const findings = await examineFolder(dataDir, { quick: false, secretKey: undefined });
    expect(findings.filter(({ state }) => state === "problem")).toEqual([]);
    server = await spawnServer({ dataDir, port });
    figure(
      context,
      `8 crashes in CompleteUpload, ${unknown} without an answer: all complete after a repeat, 0 without bytes`,
    );
  }, 120_000);

  it("20 MiB go up and come down in less than 64 MiB of memory, and eight at once in less than they are", async (context) => {
    const { pid } = server.process;
    const bytes = randomBytes(20 * MIB);
    await upload(tom, bytes.subarray(0, MIB));
    /** The most memory that the server has beyond what it had while so many files go up at once and then come down. */
    const growth = async (count: number): Promise<number> => {
      const before = figuresOf(must(pid)).rssBytes;
      let most = 0;
      const watch = setInterval(() => {
        most = Math.max(most, figuresOf(must(pid)).rssBytes - before);
      }, 5);
      const sent = await Promise.all(Array.from({ length: count }, () => upload(tom, bytes)));
      for (const { url } of sent) expect(Buffer.from(await (await fetch(url)).arrayBuffer()).equals(bytes)).toBe(true);
      clearInterval(watch);
      return most;
    };
    const [one, eight] = [await growth(1), await growth(8)];
    expect(one).toBeLessThan(64 * MIB);
    expect(eight).toBeLessThan(160 * MIB);
    figure(context, `20 MiB up and down: ${mib(one)} more memory; eight at once: ${mib(eight)}`);
  }, 120_000);
});

/** Writes a file until the disk takes no more. */
function fillUp(file: string): void {
  try {
    for (;;) appendFileSync(file, Buffer.alloc(64 * 1024));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
  }
}

const disk = makeSmallDisk(24);
if (typeof disk === "string") {
  if (process.env.PARLEY_REQUIRE_ALL === "1") throw new Error(disk);
  console.warn(`skipped attachments on a full disk, which wants a disk of its own: ${disk}`);
}

describe.skipIf(typeof disk === "string")("attachments on a full disk", () => {
  const path = typeof disk === "string" ? "" : disk.path;
  let server: TestServer;
  let tom: TestUser;
  beforeAll(async () => {
    server = await startTestServer({ settings: { dataDir: join(path, "data"), logLevel: "silent" } });
    tom = await login(server, "Tom");
    await login(server, "Jerry");
  });
  afterAll(async () => {
    await server.close();
    if (typeof disk !== "string") disk.remove();
  });

  it("are refused by name before they take the room that messages need, and go again when there is some", async () => {
    const say = () =>
      tom.rpc.message.sendMessage({
        receiver: toUser("Jerry"),
        content: { content: { case: "text", value: { text: "hi" } } },
      });
    const filler = join(path, "filler");
    const free = () => statfsSync(path).bavail * statfsSync(path).bsize;
    writeFileSync(filler, Buffer.alloc(free() - 6 * MIB));
    const bytes = randomBytes(4 * MIB);
    const { attachmentId, uploadUrl } = await beginUpload(tom, bytes.length);
    const refused = await putBytes(uploadUrl, bytes);
    expect(refused.status).toBe(507);
    expect(await refused.text()).toContain("STORAGE_FULL");
    expect(filesOf(server.dataDir)).toEqual([]);
    expect((await say()).message?.seq).toBe(1);
    rmSync(filler);
    expect((await putBytes(uploadUrl, bytes)).status).toBe(204);
    expect((await tom.rpc.attachment.completeUpload({ attachmentId })).attachment?.sizeBytes).toBe(bytes.length);
    // Others fill the disk while the bytes come.
    const second = await beginUpload(tom, bytes.length);
    const req = http.request(second.uploadUrl, {
      method: "PUT",
      headers: { "content-length": bytes.length },
      agent: false,
    });
    req.on("error", () => undefined);
    const answer = once(req, "response") as Promise<[http.IncomingMessage]>;
    req.write(bytes.subarray(0, MIB));
    await eventually(() => expect(filesOf(server.dataDir, second.attachmentId)).toHaveLength(1));
    fillUp(filler);
    req.end(bytes.subarray(MIB));
    const [response] = await answer;
    expect(response.resume().statusCode).toBe(507);
    expect(filesOf(server.dataDir, second.attachmentId)).toEqual([]);
    expect(readdirSync(server.dataDir)).toContain("attachments");
    rmSync(filler);
    await eventually(async () => expect((await say()).message).toBeDefined(), 20_000);
  });
});
