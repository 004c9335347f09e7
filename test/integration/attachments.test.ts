import { createHash, randomBytes } from "node:crypto";
import type { Attachment } from "@parley/proto/parley/v1/attachment_pb.js";
import type { MessageContentSchema } from "@parley/proto/parley/v1/message_content_pb.js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { fakeClock } from "../support/fake-clock.js";
import { backend, refusal, startTestServer, subscribe, type TestServer, type TestUser } from "../support/index.js";
import {
  eventsAfter,
  type Init,
  messageOf,
  must,
  newGroup,
  newGuest,
  newPair,
  newRoom,
  newUsers,
  type To,
  toEveryone,
  toGroup,
  toRoom,
  toUser,
} from "../support/messaging.js";
import { beginUpload, png, putBytes, upload } from "../support/uploads.js";

type MediaCase = "image" | "audio" | "video" | "file";
type Media = Init<typeof MessageContentSchema>;

const MINUTE = 60_000;
const clock = fakeClock(Date.now());
let server: TestServer;
beforeAll(async () => {
  server = await startTestServer({
    clock,
    limits: { loginTries: 1e4, changeBurst: 1e4, attachmentBytesPerUser: 4 * 64 * 1024 },
  });
});
afterAll(() => server.close());

const media = (kind: MediaCase, value: object) => ({ content: { case: kind, value } }) as Media;

async function sendMedia(from: TestUser, receiver: To, kind: MediaCase, value: object, rest: object = {}) {
  return must((await from.rpc.message.sendMessage({ receiver, content: media(kind, value), ...rest })).message);
}

async function download({ url }: Pick<Attachment, "url">): Promise<Buffer> {
  return Buffer.from(await (await fetch(url)).arrayBuffer());
}

const get = ({ rpc }: Pick<TestUser, "rpc">, attachmentId: string) => rpc.attachment.getAttachment({ attachmentId });

describe("an upload", () => {
  test("is begun, put, completed, sent, and read by the other side byte for byte", async () => {
    const [tom, jerry] = await newPair(server);
    const bytes = randomBytes(50_000);
    const begun = await beginUpload(tom, bytes.length, { fileName: "Käse & Brot.bin" });
    expect(begun.uploadUrl).toMatch(new RegExp(`^${server.url}/attachments/`));
    expect(Number(begun.expireTime?.seconds) * 1000).toBeCloseTo(clock.now() + 60 * MINUTE, -4);
    expect((await putBytes(begun.uploadUrl, bytes, begun.headers)).status).toBe(204);
    const sha256 = createHash("sha256").update(bytes).digest("hex");
    const { attachment } = await tom.rpc.attachment.completeUpload({ attachmentId: begun.attachmentId, sha256 });
    expect(attachment).toMatchObject({
      fileName: "Käse & Brot.bin",
      mimeType: "application/octet-stream",
      sizeBytes: 50_000,
      width: 0,
      thumbnailUrl: "",
    });
    const message = await sendMedia(tom, toUser(jerry.userId), "file", { attachmentId: begun.attachmentId });
    expect(message.content?.content).toMatchObject({
      case: "file",
      value: { attachmentId: begun.attachmentId, fileName: "Käse & Brot.bin", sizeBytes: 50_000, url: "" },
    });
    const got = must((await get(jerry, begun.attachmentId)).attachment);
    const answer = await fetch(got.url);
    expect(Buffer.from(await answer.arrayBuffer()).equals(bytes)).toBe(true);
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      "content-type": "application/octet-stream",
      "content-disposition": "attachment; filename*=UTF-8''K%C3%A4se%20%26%20Brot.bin",
      "x-content-type-options": "nosniff",
      "content-security-policy": "sandbox; default-src 'none'",
      "cache-control": expect.stringMatching(/^private, max-age=\d+$/),
    });
  });

  test("of an image gets its size, turned as it is shown, and a thumbnail without what the camera wrote", async () => {
    const [tom] = await newPair(server);
    const image = await upload(tom, png(640, 480), { fileName: "cat.png", mimeType: "image/png" });
    expect(image).toMatchObject({ width: 640, height: 480 });
    const thumbnail = await download({ url: image.thumbnailUrl });
    expect(thumbnail.subarray(8, 12).toString()).toBe("WEBP");
    const turned = await upload(tom, turnedJpeg(), { mimeType: "image/jpeg" });
    expect(turned).toMatchObject({ width: 8, height: 16 });
    const small = await download({ url: turned.thumbnailUrl });
    expect(small.includes("Exif")).toBe(false);
    expect(turnedJpeg().includes("Exif")).toBe(true);
  });

  test("whose bytes are not all there is incomplete, and may be put again; complete, it is for good", async () => {
    const [tom, jerry] = await newPair(server);
    const { attachmentId, uploadUrl } = await beginUpload(tom, 10);
    const complete = () => tom.rpc.attachment.completeUpload({ attachmentId });
    const sending = () => sendMedia(tom, toUser(jerry.userId), "file", { attachmentId });
    expect(await refusal(complete())).toMatchObject({ reason: "UPLOAD_INCOMPLETE", field: "attachment_id" });
    expect(await refusal(sending())).toMatchObject({
      reason: "UPLOAD_INCOMPLETE",
      code: "FailedPrecondition",
      field: "content.file.attachment_id",
    });
    const short = await putBytes(uploadUrl, Buffer.alloc(9));
    expect([short.status, await reasonOf(short)]).toEqual([400, "UPLOAD_INCOMPLETE"]);
    expect(await refusal(complete())).toMatchObject({ reason: "UPLOAD_INCOMPLETE" });
    for (const fill of [1, 2]) expect((await putBytes(uploadUrl, Buffer.alloc(10, fill))).status).toBe(204);
    const first = must((await complete()).attachment);
    expect((await complete()).attachment).toMatchObject({ attachmentId, sizeBytes: 10 });
    const late = await putBytes(uploadUrl, Buffer.alloc(10, 3));
    expect([late.status, await reasonOf(late)]).toEqual([409, "ALREADY_EXISTS"]);
    expect(await download(first)).toEqual(Buffer.alloc(10, 2));
    expect((await sending()).seq).toBe(1);
  });

  test("that brings one byte too many is cut with the limit, told or untold", async () => {
    const [tom] = await newPair(server);
    const { attachmentId, uploadUrl } = await beginUpload(tom, 10);
    const untold = () => new Blob([new Uint8Array(11)]).stream();
    for (const body of [Buffer.alloc(11), untold()]) {
      const answer = await putBytes(uploadUrl, body);
      expect([answer.status, await reasonOf(answer)]).toEqual([413, "TOO_LARGE"]);
    }
    expect(await refusal(tom.rpc.attachment.completeUpload({ attachmentId }))).toMatchObject({
      reason: "UPLOAD_INCOMPLETE",
    });
  });

  test("with another hash is refused, and good once the right bytes are put", async () => {
    const [tom] = await newPair(server);
    const [right, wrong] = [Buffer.from("right"), Buffer.from("wrong")];
    const sha256 = createHash("sha256").update(right).digest("hex").toUpperCase();
    const { attachmentId, uploadUrl } = await beginUpload(tom, 5);
    const complete = () => tom.rpc.attachment.completeUpload({ attachmentId, sha256 });
    await putBytes(uploadUrl, wrong);
    expect(await refusal(complete())).toMatchObject({ reason: "INVALID_FIELD", field: "sha256" });
    expect(await refusal(get(tom, attachmentId))).toMatchObject({ reason: "NOT_FOUND" });
    await putBytes(uploadUrl, right);
    expect(await download(must((await complete()).attachment))).toEqual(right);
    const other = tom.rpc.attachment.completeUpload({ attachmentId, sha256: "0".repeat(64) });
    expect(await refusal(other)).toMatchObject({ field: "sha256" });
  });

  test("of a guest and of the backend works; the backend's own goes by a system message", async () => {
    const guest = await newGuest(server);
    const [tom] = await newPair(server);
    const own = await upload(guest, Buffer.from("guest"));
    expect((await sendMedia(guest, toUser(tom.userId), "file", { attachmentId: own.attachmentId })).seq).toBe(1);
    const app = { rpc: backend(server) };
    const poster = await upload(app, png(2, 2), { mimeType: "image/png" });
    expect(await refusal(get(tom, poster.attachmentId))).toMatchObject({ reason: "NOT_FOUND" });
    const content = media("image", { attachmentId: poster.attachmentId });
    await app.rpc.admin.sendSystemMessage({ receiver: toUser(tom.userId), content });
    expect((await get(tom, poster.attachmentId)).attachment?.width).toBe(2);
  });
});

describe("limits", () => {
  test("size: at the limit and one past it", async () => {
    const [tom] = await newPair(server);
    const one = await startTestServer({ limits: { attachmentBytes: 1000 } });
    try {
      const [user] = await newUsers(one, ["u"]);
      expect((await beginUpload(must(user), 1000)).attachmentId).not.toBe("");
      const told = await refusal(beginUpload(must(user), 1001));
      expect(told).toMatchObject({ reason: "TOO_LARGE", field: "size_bytes", detail: { metadata: { limit: "1000" } } });
    } finally {
      await one.close();
    }
    expect(await refusal(beginUpload(tom, 0))).toMatchObject({ reason: "INVALID_FIELD", field: "size_bytes" });
    const told = await refusal(beginUpload(tom, 20 * 1024 * 1024 + 1));
    expect(told).toMatchObject({
      reason: "TOO_LARGE",
      field: "size_bytes",
      detail: { metadata: { limit: "20971520" } },
    });
  });

  test("quota: all of it, those under way too, and one past it; the small count as 64 KiB", async () => {
    const [tom, jerry] = await newPair(server);
    await beginUpload(tom, 2 * 64 * 1024 + 1);
    const told = await refusal(beginUpload(tom, 2 * 64 * 1024));
    expect(told).toMatchObject({ reason: "TOO_LARGE", field: "size_bytes" });
    expect(told.detail.metadata).toMatchObject({ limit: String(4 * 64 * 1024), quota: "attachment_bytes_per_user" });
    await beginUpload(tom, 1);
    expect(await refusal(beginUpload(tom, 1))).toMatchObject({ reason: "TOO_LARGE" });
    await beginUpload(jerry, 4 * 64 * 1024);
  });

  test("rate: 50 at once, then one in 1.2 s", async () => {
    const own = await startTestServer({ clock, limits: { changeBurst: 1e4 } });
    try {
      const [tom, jerry] = await newPair(own);
      for (let at = 0; at < 50; at += 1) await beginUpload(tom, 1);
      const told = await refusal(beginUpload(tom, 1));
      expect(told).toMatchObject({
        reason: "RATE_LIMITED",
        detail: { retryDelay: { seconds: 1n, nanos: 200_000_000 } },
      });
      await beginUpload(jerry, 1);
      clock.advance(1200);
      await beginUpload(tom, 1);
      expect(await refusal(beginUpload(tom, 1))).toMatchObject({ reason: "RATE_LIMITED" });
    } finally {
      await own.close();
    }
  });

  test("names and types: at the limit and one past it, and what they may not hold", async () => {
    const [tom] = await newPair(server);
    const begin = (fileName: string, mimeType: string) => beginUpload(tom, 1, { fileName, mimeType });
    await begin("n".repeat(255), `a/${"b".repeat(125)}`);
    expect(await refusal(begin("n".repeat(256), "a/b"))).toMatchObject({ reason: "TOO_LARGE", field: "file_name" });
    expect(await refusal(begin("n", `a/${"b".repeat(126)}`))).toMatchObject({
      reason: "TOO_LARGE",
      field: "mime_type",
    });
    await begin("", "audio/webm;codecs=opus");
    for (const name of ["../../etc/passwd", "a\\b", "a\u0000b", "a\nb"])
      expect(await refusal(begin(name, "a/b")), name).toMatchObject({ reason: "INVALID_FIELD", field: "file_name" });
    for (const type of ["", "text", "text/html\r\nx: y", "a/b; c", "a b/c"])
      expect(await refusal(begin("n", type)), type).toMatchObject({ reason: "INVALID_FIELD", field: "mime_type" });
  });
});

describe("a message with an attachment", () => {
  test("says what the record says, and is refused when it says otherwise", async () => {
    const [tom, jerry] = await newPair(server);
    const { attachmentId } = await upload(tom, png(3, 2), { fileName: "a.png", mimeType: "image/png" });
    const same = { fileName: "a.png", mimeType: "image/png", width: 3, height: 2 };
    const message = await sendMedia(tom, toUser(jerry.userId), "image", { attachmentId, ...same });
    expect(message.content?.content.value).toMatchObject({ ...same, sizeBytes: png(3, 2).length });
    const others = { fileName: "b.png", mimeType: "image/gif", sizeBytes: 7, width: 4, height: 9 };
    for (const [name, value] of Object.entries(others)) {
      const told = await refusal(sendMedia(tom, toUser(jerry.userId), "image", { attachmentId, [name]: value }));
      const field = `content.image.${name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)}`;
      expect(told).toMatchObject({ reason: "INVALID_FIELD", field });
    }
    // What the server cannot know is the sender's to say.
    const video = await upload(tom, Buffer.from("video"), { mimeType: "video/mp4" });
    const size = { attachmentId: video.attachmentId, width: 1920, height: 1080 };
    expect((await sendMedia(tom, toUser(jerry.userId), "video", size)).content?.content.value).toMatchObject(size);
  });

  test("sent twice under one key is one message; one that is refused in a batch takes no number", async () => {
    const [tom, jerry] = await newPair(server);
    const { attachmentId } = await upload(tom, Buffer.from("x"));
    const request = { receiver: toUser(jerry.userId), content: media("file", { attachmentId }), clientMessageId: "k" };
    const first = await tom.rpc.message.sendMessage(request);
    const again = await tom.rpc.message.sendMessage(request);
    expect(again).toMatchObject({ deduplicated: true, message: { messageId: first.message?.messageId } });
    const { results } = await tom.rpc.message.sendMessages({
      requests: [
        request,
        { ...request, clientMessageId: "k2" },
        { ...request, clientMessageId: "k3", content: media("file", { attachmentId: "unknown" }) },
      ],
    });
    expect(results.map(({ deduplicated, message }) => [deduplicated, message?.seq])).toEqual([
      [true, 1],
      [false, 2],
      [false, undefined],
    ]);
    expect(results[2]?.error?.detail).toMatchObject({ field: "content.file.attachment_id" });
  });

  test("to oneself, and by the backend in one's name to others, works as any other", async () => {
    const [tom, jerry] = await newPair(server);
    const { attachmentId } = await upload(tom, Buffer.from("note"));
    expect((await sendMedia(tom, toUser(tom.userId), "file", { attachmentId })).seq).toBe(1);
    const acting = { ...tom, rpc: backend(server).as(tom.userId) };
    expect((await sendMedia(acting, toUser(jerry.userId), "file", { attachmentId })).seq).toBe(1);
    expect((await get(jerry, attachmentId)).attachment?.sizeBytes).toBe(4);
  });

  test("with an address of elsewhere goes as before, and nothing is fetched", async () => {
    const [tom, jerry] = await newPair(server);
    const url = "http://127.0.0.1:9/never-asked";
    expect((await sendMedia(tom, toUser(jerry.userId), "image", { url })).content?.content.value).toMatchObject({
      url,
    });
  });

  test("reaches the receiver's stream with everything filled in", async () => {
    const [tom, jerry] = await newPair(server);
    const stream = await subscribe(jerry);
    const { attachmentId } = await upload(tom, png(5, 4), { fileName: "p.png", mimeType: "image/png" });
    await sendMedia(tom, toUser(jerry.userId), "image", { attachmentId });
    const event = await stream.event(({ event: { case: kind } }) => kind === "messageCreated");
    expect(messageOf(event)?.content?.content).toMatchObject({
      case: "image",
      value: { attachmentId, width: 5, height: 4, fileName: "p.png" },
    });
    await stream.close();
  });

  test("may be forwarded by whoever can read it, and lives in both places", async () => {
    const [tom, jerry, spike] = (await newUsers(server, ["tom", "jerry", "spike"])) as [TestUser, TestUser, TestUser];
    const { attachmentId } = await upload(tom, Buffer.from("news"));
    const forward = () => sendMedia(jerry, toUser(spike.userId), "file", { attachmentId });
    expect(await refusal(forward())).toMatchObject({ reason: "NOT_FOUND", field: "content.file.attachment_id" });
    await sendMedia(tom, toUser(jerry.userId), "file", { attachmentId });
    await forward();
    expect((await get(spike, attachmentId)).attachment?.sizeBytes).toBe(4);
  });

  test("to everyone is for those who were there", async () => {
    const [tom] = await newPair(server);
    const app = { rpc: backend(server) };
    const { attachmentId } = await upload(app, Buffer.from("all"));
    const { cursor } = await tom.rpc.message.listEvents({});
    await app.rpc.admin.sendSystemMessage({ receiver: toEveryone, content: media("file", { attachmentId }) });
    const { events } = await eventsAfter(tom.rpc, cursor);
    expect(messageOf(must(events[0]))?.content?.content.value).toMatchObject({ attachmentId, sizeBytes: 3 });
    expect((await get(tom, attachmentId)).attachment?.sizeBytes).toBe(3);
    const [late] = await newPair(server);
    expect(await refusal(get(late, attachmentId))).toMatchObject({ reason: "NOT_FOUND" });
  });

  test("in a room is for ten minutes and its members alone", async () => {
    const [tom, jerry, spike] = (await newUsers(server, ["tom", "jerry", "spike"])) as [TestUser, TestUser, TestUser];
    const roomId = await newRoom(tom, [jerry]);
    const { attachmentId } = await upload(tom, Buffer.from("live"));
    expect(await refusal(get(jerry, attachmentId))).toMatchObject({ reason: "NOT_FOUND" });
    const message = await sendMedia(tom, toRoom(roomId), "file", { attachmentId });
    expect(message.content?.content.value).toMatchObject({ sizeBytes: 4 });
    expect((await get(jerry, attachmentId)).attachment?.sizeBytes).toBe(4);
    expect(await refusal(get(spike, attachmentId))).toMatchObject({ reason: "NOT_FOUND" });
    await sendMedia(tom, toUser(spike.userId), "file", { attachmentId }, { transient: true });
    expect((await get(spike, attachmentId)).attachment?.sizeBytes).toBe(4);
    clock.advance(10 * MINUTE);
    for (const user of [jerry, spike])
      expect(await refusal(get(user, attachmentId))).toMatchObject({ reason: "NOT_FOUND" });
    expect((await get(tom, attachmentId)).attachment?.sizeBytes).toBe(4);
  });

  test("in a group follows the group's history: not for who came later, not for who has left", async () => {
    const [tom, jerry, spike] = (await newUsers(server, ["tom", "jerry", "spike"])) as [TestUser, TestUser, TestUser];
    const groupId = await newGroup(tom, [jerry]);
    const { attachmentId } = await upload(tom, Buffer.from("ours"));
    await sendMedia(tom, toGroup(groupId), "file", { attachmentId });
    expect((await get(jerry, attachmentId)).attachment?.sizeBytes).toBe(4);
    await tom.rpc.group.addGroupMembers({ groupId, userIds: [spike.userId] });
    expect(await refusal(get(spike, attachmentId))).toMatchObject({ reason: "NOT_FOUND" });
    await jerry.rpc.group.leaveGroup({ groupId });
    expect(await refusal(get(jerry, attachmentId))).toMatchObject({ reason: "NOT_FOUND" });
    await tom.rpc.group.deleteGroup({ groupId });
    expect((await get(tom, attachmentId)).attachment?.sizeBytes).toBe(4);
  });
});

async function reasonOf(answer: Response): Promise<string | undefined> {
  const { details } = (await answer.json()) as { details?: { debug?: { reason?: string } }[] };
  return details?.[0]?.debug?.reason?.replace("ERROR_REASON_", "");
}

/** A JPEG of 16 × 8 pixels that says it was taken with the camera on its side. */
function turnedJpeg(): Buffer {
  const plain = Buffer.from(PLAIN_JPEG, "base64");
  const exif = Buffer.from(
    "457869660000" + "4d4d002a00000008" + "0001" + "0112000300000001" + "00060000" + "00000000",
    "hex",
  );
  const segment = Buffer.concat([Buffer.from([0xff, 0xe1, 0, exif.length + 2]), exif]);
  return Buffer.concat([plain.subarray(0, 2), segment, plain.subarray(2)]);
}

const PLAIN_JPEG =
  "/9j/2wBDACgcHiMeGSgjISMtKygwPGRBPDc3PHtYXUlkkYCZlo+AjIqgtObDoKrarYqMyP/L2u71////m8H////6/+b9//j/2wBDASstLTw1PHZBQXb4pYyl+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4+Pj/wAARCAAIABADASIAAhEBAxEB/8QAFQABAQAAAAAAAAAAAAAAAAAAAAL/xAAUEAEAAAAAAAAAAAAAAAAAAAAA/8QAFAEBAAAAAAAAAAAAAAAAAAAAAP/EABQRAQAAAAAAAAAAAAAAAAAAAAD/2gAMAwEAAhEDEQA/AKAB/9k=";
