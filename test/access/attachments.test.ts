import http from "node:http";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { fakeClock } from "../support/fake-clock.js";
import { backend, refusal, startTestServer, type TestServer, type TestUser, withToken } from "../support/index.js";
import { must, newGroup, newUsers, otherApp, toGroup, toUser } from "../support/messaging.js";
import { figure } from "../support/proofs/figure.js";
import { beginUpload, filesOf, png, pngHead, putBytes, upload } from "../support/uploads.js";

const clock = fakeClock(Date.now());
let server: TestServer;
let other: TestServer;
beforeAll(async () => {
  server = await startTestServer({ clock, limits: { loginTries: 1e4, changeBurst: 1e5, uploadBurst: 1e4 } });
  other = await otherApp(server);
});
afterAll(() => server.close());

/** Asks for a target byte by byte as it is given: a URL object would tidy it. */
function ask(
  target: string,
  method = "GET",
  body?: Uint8Array,
): Promise<{ status: number; headers: http.IncomingHttpHeaders; body: string }> {
  return new Promise((resolve, reject) => {
    const { hostname, port } = new URL(server.url);
    const req = http.request({ host: hostname, port, path: target, method, agent: false }, (res) => {
      let text = "";
      res.setEncoding("latin1").on("data", (chunk: string) => {
        text += chunk;
      });
      res.on("end", () => resolve({ status: res.statusCode ?? 0, headers: res.headers, body: text }));
    });
    req.on("error", reject).end(body);
  });
}

const targetOf = (url: string) => url.slice(server.url.length);
const image = (attachmentId: string) => ({ content: { case: "image" as const, value: { attachmentId } } });
const file = (attachmentId: string) => ({ content: { case: "file" as const, value: { attachmentId } } });

describe("A4: the attachment of a message that one cannot see", () => {
  test("is not found, exactly as one that nobody knows, whoever asks and by whatever way", async (context) => {
    const [tom, jerry, spike] = (await newUsers(server, ["tom", "jerry", "spike"])) as [TestUser, TestUser, TestUser];
    const foreigner = {
      rpc: withToken(other, (await backend(other).admin.createSession({ userId: "eve" })).sessionToken),
    };
    const { attachmentId } = await upload(tom, png(1, 1), { mimeType: "image/png" });
    const unfinished = (await beginUpload(tom, 1)).attachmentId;
    await tom.rpc.message.sendMessage({ receiver: toUser(jerry.userId), content: image(attachmentId) });
    expect((await jerry.rpc.attachment.getAttachment({ attachmentId })).attachment?.width).toBe(1);
    let asked = 0;
    for (const { rpc } of [spike, foreigner, { rpc: backend(other) }]) {
      const ways = [
        (id: string) => rpc.attachment.getAttachment({ attachmentId: id }),
        (id: string) => rpc.attachment.completeUpload({ attachmentId: id, sha256: "0".repeat(64) }),
        (id: string) => rpc.message.sendMessage({ receiver: toUser(tom.userId), content: image(id) }),
        (id: string) => rpc.message.sendMessage({ receiver: toUser(tom.userId), content: file(id), transient: true }),
        (id: string) => rpc.admin.sendSystemMessage({ receiver: toUser(tom.userId), content: file(id) }),
      ];
      for (const way of ways) {
        const told = async (id: string) => {
          asked += 1;
          const { code, reason, field, message, detail } = await refusal(way(id));
          return { code, reason, field, message, retryable: detail.retryable };
        };
        const unknown = await told("0197aaaa-0000-7000-8000-000000000000");
        expect(await told(attachmentId)).toEqual(unknown);
        expect(await told(unfinished)).toEqual(unknown);
      }
    }
    expect(await refusal(spike.rpc.attachment.getAttachment({ attachmentId }))).toMatchObject({ reason: "NOT_FOUND" });
    figure(context, `${asked} questions by strangers and by another app: 0 told apart from an id that nobody knows`);
  });

  test("its address is good for ten minutes and not for anything else", async () => {
    const [tom] = (await newUsers(server, ["tom"])) as [TestUser];
    const { attachmentId, url, thumbnailUrl } = await upload(tom, png(200, 200), { mimeType: "image/png" });
    const { uploadUrl } = await beginUpload(tom, 1);
    expect((await ask(targetOf(url))).status).toBe(200);
    const second = (await upload(tom, Buffer.from("x"))).attachmentId;
    const [, signature = ""] = /signature=(.*)$/.exec(url) ?? [];
    const changed = [
      url.replace(attachmentId, second),
      url.replace(server.appId, other.appId),
      url.replace("original", "thumbnail"),
      thumbnailUrl.replace("thumbnail", "original"),
      url.replace(/expires=(\d+)/, (_, at: string) => `expires=${Number(at) + 1}`),
      url.replace(signature, signature.slice(1)),
      url.replace(signature, `${signature}A`),
      url.replace(signature, "A".repeat(43)),
      `${url}&x=1`,
      url.replace("?", "?x=1&"),
      url.slice(0, url.indexOf("?")),
      uploadUrl,
    ];
    for (const at of changed) expect((await ask(targetOf(at))).status, at).toBe(403);
    expect((await ask(targetOf(url), "PUT", Buffer.from("x"))).status).toBe(403);
    clock.advance(599_000);
    expect((await ask(targetOf(url))).status).toBe(200);
    clock.advance(2_000);
    const over = await ask(targetOf(url));
    expect([over.status, /ERROR_REASON_UNAUTHENTICATED/.test(over.body)]).toEqual([403, true]);
  });

  test("a member who has left, and one who came later, have it no more and not yet", async () => {
    const [tom, jerry, spike] = (await newUsers(server, ["tom", "jerry", "spike"])) as [TestUser, TestUser, TestUser];
    const groupId = await newGroup(tom, [jerry]);
    const { attachmentId } = await upload(tom, Buffer.from("x"));
    await tom.rpc.message.sendMessage({ receiver: toGroup(groupId), content: file(attachmentId) });
    await tom.rpc.group.removeGroupMembers({ groupId, userIds: [jerry.userId] });
    await tom.rpc.group.addGroupMembers({ groupId, userIds: [spike.userId] });
    for (const { rpc } of [jerry, spike])
      expect(await refusal(rpc.attachment.getAttachment({ attachmentId }))).toMatchObject({ reason: "NOT_FOUND" });
    await tom.rpc.message.sendMessage({ receiver: toGroup(groupId), content: file(attachmentId) });
    expect((await spike.rpc.attachment.getAttachment({ attachmentId })).attachment?.sizeBytes).toBe(1);
    expect(await refusal(jerry.rpc.attachment.getAttachment({ attachmentId }))).toMatchObject({ reason: "NOT_FOUND" });
  });
});

describe("A10: attachments", () => {
  test("paths lead nowhere but to what is signed", async (context) => {
    const [tom] = (await newUsers(server, ["tom"])) as [TestUser];
    const { url } = await upload(tom, Buffer.from("x"));
    const query = url.slice(url.indexOf("?"));
    const up = ["../", "..%2f", "..%5c", "%2e%2e/", "....//", "..\\", "..%252f", "%c0%ae%c0%ae/", "/", "%2f"];
    const goals = ["parley.db", "secret-key", "operator-token", "etc/passwd"];
    const targets = up.flatMap((step) =>
      goals.flatMap((goal) => [
        `/attachments/${step.repeat(6)}${goal}`,
        `/attachments/${server.appId}/${step.repeat(6)}${goal}${query}`,
        `/attachments/${server.appId}/${step.repeat(6)}${goal}/original${query}`,
        `/attachments/${step}${server.appId}/x/original${query}`,
      ]),
    );
    targets.push(
      `/attachments/${server.appId}/a%00b/original${query}`,
      "/attachments/",
      `/attachments/${"a".repeat(5000)}`,
    );
    for (const target of targets)
      for (const method of ["GET", "PUT"]) {
        const { status, body } = await ask(target, method, method === "PUT" ? Buffer.from("x") : undefined);
        expect(status, target).toBe(403);
        expect(body).not.toMatch(/SQLite|root:|signature=/);
      }
    expect(filesOf(server.dataDir).filter((name) => !/^[0-9a-f-]{36}(\.upload|\.thumbnail)?$/.test(name))).toEqual([]);
    figure(context, `${targets.length} paths out of the folder, by GET and PUT: 0 files read or written`);
  });

  test("what claims to be an image must be one", async () => {
    const [tom] = (await newUsers(server, ["tom"])) as [TestUser];
    const html = Buffer.from("<!doctype html><script>alert(1)</script>");
    const types = [
      "image/png",
      "IMAGE/JPEG",
      "image/jpg",
      "image/gif",
      "image/webp",
      "image/avif",
      "image/heic",
      "image/bmp",
    ];
    for (const mimeType of types) {
      const told = await refusal(upload(tom, html, { mimeType }));
      expect(told, mimeType).toMatchObject({ reason: "INVALID_FIELD", field: "attachment_id" });
    }
    expect(await refusal(upload(tom, png(1, 1), { mimeType: "image/jpeg" }))).toMatchObject({
      reason: "INVALID_FIELD",
    });
  });

  test("pages, scripts and SVG are files that no browser runs; an SVG is no image", async () => {
    const [tom, jerry] = (await newUsers(server, ["tom", "jerry"])) as [TestUser, TestUser];
    const svg = Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>');
    for (const mimeType of [
      "text/html",
      "text/javascript",
      "image/svg+xml",
      "application/xhtml+xml",
      "text/xml",
      "image/x-unknown",
    ]) {
      const attachment = await upload(tom, svg, { mimeType, fileName: "x.html" });
      expect(attachment).toMatchObject({ mimeType, width: 0, height: 0, thumbnailUrl: "" });
      const { headers } = await ask(targetOf(attachment.url));
      expect(headers, mimeType).toMatchObject({
        "content-type": "application/octet-stream",
        "content-disposition": "attachment; filename*=UTF-8''x.html",
        "x-content-type-options": "nosniff",
        "content-security-policy": "sandbox; default-src 'none'",
      });
      const sent = tom.rpc.message.sendMessage({
        receiver: toUser(jerry.userId),
        content: image(attachment.attachmentId),
      });
      expect(await refusal(sent), mimeType).toMatchObject({
        reason: "INVALID_FIELD",
        field: "content.image.attachment_id",
      });
    }
  });

  test("a picture that is a script too is served as a picture alone", async () => {
    const [tom] = (await newUsers(server, ["tom"])) as [TestUser];
    const polyglot = Buffer.from("GIF89a/*\0\0\0\0*/=1;alert(1)//");
    const { url, width } = await upload(tom, polyglot, { mimeType: "image/gif" });
    const { headers } = await ask(targetOf(url));
    expect(headers).toMatchObject({ "content-type": "image/gif", "x-content-type-options": "nosniff" });
    expect(headers["content-disposition"]).toMatch(/^attachment/);
    expect(width).toBeLessThan(100_000);
  });

  test("a picture of more pixels than are ever decoded is refused, one that is broken has no thumbnail", async () => {
    const [tom] = (await newUsers(server, ["tom"])) as [TestUser];
    const began = performance.now();
    const bomb = await refusal(upload(tom, pngHead(10_001, 10_000), { mimeType: "image/png" }));
    expect(bomb).toMatchObject({
      reason: "TOO_LARGE",
      field: "attachment_id",
      detail: { metadata: { limit: "100000000" } },
    });
    const edge = await upload(tom, pngHead(10_000, 10_000), { mimeType: "image/png" });
    expect(edge).toMatchObject({ width: 10_000, height: 10_000, thumbnailUrl: "" });
    const broken = await upload(tom, png(50, 50).subarray(0, 60), { mimeType: "image/png" });
    expect(broken.thumbnailUrl).toBe("");
    expect(performance.now() - began).toBeLessThan(20_000);
    expect((await upload(tom, png(50, 50), { mimeType: "image/png" })).thumbnailUrl).not.toBe("");
  });

  test("an upload after its hour, and one to another's address, are refused", async () => {
    const [tom, jerry] = (await newUsers(server, ["tom", "jerry"])) as [TestUser, TestUser];
    const { attachmentId, uploadUrl } = await beginUpload(tom, 1);
    expect(await refusal(jerry.rpc.attachment.completeUpload({ attachmentId }))).toMatchObject({ reason: "NOT_FOUND" });
    expect(
      (await putBytes(uploadUrl.replace(attachmentId, (await beginUpload(jerry, 1)).attachmentId), Buffer.from("x")))
        .status,
    ).toBe(403);
    clock.advance(3_599_000);
    expect((await putBytes(uploadUrl, Buffer.from("x"))).status).toBe(204);
    clock.advance(2_000);
    expect((await putBytes(uploadUrl, Buffer.from("y"))).status).toBe(403);
  });

  test("names go into the header in a form that says nothing else", async () => {
    const [tom] = (await newUsers(server, ["tom"])) as [TestUser];
    const fileName = `a"; filename=b.exe; é'()*%41;`;
    const { url } = await upload(tom, Buffer.from("x"), { fileName });
    const disposition = must((await ask(targetOf(url))).headers["content-disposition"]);
    expect(disposition).toMatch(/^attachment; filename\*=UTF-8''[A-Za-z0-9!#$&+.^_`|~%-]+$/);
    expect(decodeURIComponent(must(disposition.split("''")[1]))).toBe(fileName);
  });
});
