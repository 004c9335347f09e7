import { randomBytes } from "node:crypto";
import { openAsBlob, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  type ChatMessage,
  type Client,
  createClient,
  createServiceClient,
  group,
  ParleyError,
  type PutBytes,
  user,
} from "@parley/client";
import { nodePlatform } from "@parley/client/node";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { eventually, startTestServer, type TestServer } from "../support/index.js";
import { must, subject } from "../support/messaging.js";
import { freePort } from "../support/process-server.js";
import { png } from "../support/uploads.js";

let server: TestServer;
const clients: Client[] = [];
beforeAll(async () => {
  server = await startTestServer({ limits: { loginTries: 1e4, attachmentBytes: 3_000_000 } });
});
afterEach(async () => {
  for (const client of clients.splice(0)) await client.close();
});
afterAll(() => server.close());

async function enter(name: string, options: { put?: PutBytes; baseUrl?: string } = {}): Promise<Client> {
  const { url, appId, clientKey } = server;
  const platform = { ...nodePlatform(), ...(options.put && { put: options.put }) };
  const client = createClient({ baseUrl: url, appId, clientKey, reconnectWait: 20, platform });
  clients.push(client);
  await client.login({ bareId: subject(name) });
  return client;
}

const idOf = ({ currentUser }: Client) => must(currentUser).userId;
const failureOf = async (work: Promise<unknown>): Promise<ParleyError> => {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof ParleyError)) throw new Error("a ParleyError was expected", { cause: error });
  return error;
};
const bytesAt = async (url: string) => Buffer.from(await (await fetch(url)).arrayBuffer());

/** A PUT that hangs until it is cancelled. */
const hanging: PutBytes = ({ signal }) =>
  new Promise((_, reject) => signal?.addEventListener("abort", () => reject(new ParleyError("CANCELED", "aborted"))));

describe("attachments.upload", () => {
  test("takes bytes, blobs, files and files of the disk, and tells how far it is", async () => {
    const tom = await enter("tom");
    const bytes = randomBytes(1_000_000);
    const path = join(server.dataDir, "from-disk");
    writeFileSync(path, bytes);
    const files = [
      new Uint8Array(bytes),
      new Blob([bytes], { type: "audio/ogg" }),
      new File([bytes], "song.ogg", { type: "audio/ogg" }),
      await openAsBlob(path),
    ];
    for (const [at, file] of files.entries()) {
      const told: [number, number][] = [];
      const made = await tom.attachments.upload(file, { onProgress: (...far) => void told.push(far) });
      expect(made).toMatchObject({
        sizeBytes: 1_000_000,
        fileName: at === 2 ? "song.ogg" : "",
        mimeType: at === 1 || at === 2 ? "audio/ogg" : "application/octet-stream",
      });
      expect(told.length).toBeGreaterThan(2);
      expect(told.map(([sent]) => sent)).toEqual(told.map(([sent]) => sent).sort((a, b) => a - b));
      expect(told.at(-1)).toEqual([1_000_000, 1_000_000]);
      expect((await bytesAt((await tom.attachments.get(made.attachmentId)).url)).equals(bytes)).toBe(true);
    }
    const named = await tom.attachments.upload(png(2, 2), { fileName: "cat.png", mimeType: "image/png" });
    expect(named).toMatchObject({ fileName: "cat.png", width: 2, height: 2 });
    expect(named.thumbnailUrl).not.toBe("");
  });

  test("fails with typed errors: too large, no such image, cancelled, out of reach", async () => {
    const tom = await enter("tom");
    expect(await failureOf(tom.attachments.upload(new Uint8Array(3_000_001)))).toMatchObject({
      reason: "TOO_LARGE",
      field: "size_bytes",
    });
    const noImage = tom.attachments.upload(new Blob(["<html>"], { type: "image/png" }));
    expect(await failureOf(noImage)).toMatchObject({ reason: "INVALID_FIELD", field: "attachment_id" });
    expect(await failureOf(tom.attachments.get("nobody-knows"))).toMatchObject({ reason: "NOT_FOUND" });
    const stop = new AbortController();
    const cancelled = tom.attachments.upload(randomBytes(2_000_000), {
      signal: stop.signal,
      onProgress: () => stop.abort(),
    });
    expect(await failureOf(cancelled)).toMatchObject({ reason: "CANCELED" });
    const port = await freePort();
    const lost: PutBytes = (request) => nodePlatform().put?.({ ...request, url: `http://127.0.0.1:${port}/` }) as never;
    const ann = await enter("ann", { put: lost });
    expect(await failureOf(ann.attachments.upload(new Uint8Array(1)))).toMatchObject({
      reason: "UNREACHABLE",
      retryable: true,
    });
    // What the server refuses while the bytes go is told by its own name.
    const long: PutBytes = (request) =>
      nodePlatform().put?.({ ...request, body: new Blob([new Uint8Array(2)]) }) as never;
    const bob = await enter("bob", { put: long });
    expect(await failureOf(bob.attachments.upload(new Uint8Array(1)))).toMatchObject({
      reason: "TOO_LARGE",
      field: "body",
    });
  });
});

describe("messages.send with a file", () => {
  test("uploads it, tells how far it is, and sends it; the other side sees the picture", async () => {
    const [tom, jerry] = [await enter("tom"), await enter("jerry")];
    await tom.friends.add(idOf(jerry));
    const heard: ChatMessage[] = [];
    jerry.on("friendMessage", (message) => void heard.push(message));
    const picture = new File([png(300, 200)], "cat.png", { type: "image/png" });
    const out = tom.messages.send(user(idOf(jerry)), { image: picture }, { remark: "look" });
    expect(out.status).toBe("sending");
    expect(out.content.content).toMatchObject({
      case: "image",
      value: { fileName: "cat.png", sizeBytes: picture.size },
    });
    expect(tom.messages.pending().map(({ clientMessageId }) => clientMessageId)).toEqual([out.clientMessageId]);
    const told: number[] = [];
    out.on("progress", (sent) => void told.push(sent));
    const stored = await out.stored;
    expect(told.at(-1)).toBe(picture.size);
    expect(stored).toMatchObject({ clientMessageId: out.clientMessageId, remark: "look" });
    expect(out.status).toBe("sent");
    expect(tom.messages.pending()).toEqual([]);
    await eventually(() => expect(heard).toHaveLength(1));
    const content = must(heard[0]?.content?.content);
    if (content.case !== "image") throw new Error(`a picture was expected, not ${content.case}`);
    expect(content.value).toMatchObject({ width: 300, height: 200, fileName: "cat.png", mimeType: "image/png" });
    const { url, thumbnailUrl } = await jerry.attachments.get(content.value.attachmentId);
    expect((await bytesAt(url)).equals(png(300, 200))).toBe(true);
    expect((await bytesAt(thumbnailUrl)).subarray(8, 12).toString()).toBe("WEBP");
  });

  test("goes to groups as file, sound and video; by the backend in a user's name too", async () => {
    const [tom, jerry] = [await enter("tom"), await enter("jerry")];
    const { groupId } = await tom.groups.create({ name: "g", memberUserIds: [idOf(jerry)] });
    const bytes = new Blob(["abc"], { type: "audio/ogg" });
    for (const content of [{ file: bytes }, { audio: bytes }, { video: bytes }])
      await tom.messages.send(group(groupId), content).stored;
    const backend = createServiceClient({ baseUrl: server.url, serviceKey: server.serviceKey });
    await backend.as(idOf(jerry)).messages.send(group(groupId), { file: bytes }).stored;
    const own = await backend.attachments.upload(bytes);
    expect(await backend.attachments.get(own.attachmentId)).toMatchObject({ sizeBytes: 3 });
    backend.close();
    const { messages } = await jerry.history.list(group(groupId));
    expect(messages.map(({ content }) => content?.content.case)).toEqual(["file", "audio", "video", "file"]);
  });

  test("fails when its file cannot be taken, or its user leaves meanwhile; what is sent meanwhile goes first", async () => {
    const [tom, jerry] = [await enter("tom"), await enter("jerry")];
    const receiver = user(idOf(jerry));
    const refused = tom.messages.send(receiver, { image: new Blob(["no image"], { type: "image/png" }) });
    expect(await failureOf(refused.stored)).toMatchObject({ reason: "INVALID_FIELD" });
    expect(refused.status).toBe("failed");
    const slow = tom.messages.send(receiver, { file: randomBytes(2_000_000) });
    const quick = tom.messages.send(receiver, { text: "first" });
    expect((await quick.stored).seq).toBeLessThan((await slow.stored).seq);
    for (const [leave, reason] of [
      [(client: Client) => client.logout(), "LOGGED_OUT"],
      [(client: Client) => client.close(), "CLOSED"],
    ] as const) {
      const ann = await enter("ann", { put: hanging });
      const out = ann.messages.send(receiver, { file: new Uint8Array(1) });
      await eventually(() => expect(ann.messages.pending()).toHaveLength(1));
      await leave(ann);
      expect(await failureOf(out.stored)).toMatchObject({ reason });
      expect(ann.messages.pending()).toEqual([]);
    }
  });
});
