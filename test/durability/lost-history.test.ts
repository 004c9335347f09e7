import { copyFileSync, cpSync, mkdirSync, mkdtempSync, rmSync, statSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { type Client, createClient, user } from "@parley/client";
import { ResyncReason } from "@parley/proto/parley/v1/message_service_pb.js";
import { backupStore, restoreStore } from "@parley/server";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { crashImage } from "../support/crash-image.js";
import {
  eventually,
  login,
  startTestServer,
  subscribe,
  type TestServer,
  type TestUser,
  withToken,
} from "../support/index.js";
import { must, say, textOf, toUser } from "../support/messaging.js";
import { figure } from "../support/proofs/figure.js";
import { startTcpProxy, type TcpProxy } from "../support/tcp-proxy.js";
import { TEMP_PARENT } from "../support/temp-parent.js";

const KEPT = 20;
const LOST = 10;
const NEW = 4;

/** An application on the SDK that keeps messages by their numbers, and loads again when it is told to. */
interface Application {
  client: Client;
  /** By seq, the text. */
  store: Map<number, string>;
  resyncs: ResyncReason[];
}

describe.each([
  ["D10: a backup is restored", "backup"],
  ["D8: the log is cut off", "cut"],
] as const)("%s, and clients saw more than it holds", { timeout: 180_000 }, (_name, how) => {
  let before: TestServer;
  let after: TestServer | undefined;
  let proxy: TcpProxy;
  let folder: string;
  const applications: Application[] = [];

  beforeEach(async () => {
    folder = mkdtempSync(join(TEMP_PARENT, "parley-restored-"));
    applications.length = 0;
    before = await startTestServer({ settings: { logLevel: "silent" } });
    proxy = await startTcpProxy(before.url);
  });
  afterEach(async () => {
    for (const { client } of applications) await client.close();
    await proxy.close();
    await before.close();
    await after?.running.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it("exactly those who saw what is lost are told, and the SDK sends its own again", async (context) => {
    const tom = await startApplication("Tom", "Jerry");
    const jerry = await startApplication("Jerry", "Tom");
    const early = await login(before, "early");
    const late = await login(before, "late");
    for (let i = 1; i <= KEPT; i++) await tom.client.messages.send(user("Jerry"), { text: `kept ${i}` }).stored;
    const earlyCursor = await cursorOf(early);
    const restore = await takeBackup();
    const own: string[] = [];
    for (let i = 1; i <= LOST; i++) {
      const send = tom.client.messages.send(user("Jerry"), { text: `lost ${i}` });
      await send.stored;
      own.push(send.clientMessageId);
    }
    await say(late, toUser("late"), "lost too");
    const lateCursor = await cursorOf(late);
    await eventually(() => expect(jerry.store.size).toBe(KEPT + LOST));

    proxy.refuse();
    proxy.cutAll();
    after = await restore();
    // The numbers of what is lost are given to others, before anybody is back.
    const device = await login(after, "Jerry");
    for (let i = 1; i <= NEW; i++) await say(device, toUser("Tom"), `new ${i}`);
    proxy.target = after.url;
    proxy.accept();

    for (const application of [tom, jerry])
      await eventually(() => expect(application.resyncs).toEqual([ResyncReason.HISTORY_CHANGED]), 20_000);
    await eventually(() => expect(jerry.store.size).toBe(KEPT + NEW + LOST), 20_000);
    const stored = await history(jerry.client);
    const clientIds = stored.map((message) => message.clientMessageId);
    expect(clientIds.slice(KEPT + NEW)).toEqual(own);
    for (const { store } of [tom, jerry])
      await eventually(() =>
        expect([...store].sort(([a], [b]) => a - b)).toEqual(stored.map((m) => [m.seq, textOf(m)])),
      );
    const bare = [await resyncOf(early, earlyCursor), await resyncOf(late, lateCursor)];
    expect(bare).toEqual([undefined, ResyncReason.HISTORY_CHANGED]);
    expect([tom.resyncs.length, jerry.resyncs.length]).toEqual([1, 1]);
    const told = [...tom.resyncs, ...jerry.resyncs, ...bare].filter((reason) => reason !== undefined).length;
    figure(
      context,
      `${own.length} lost sends stored again with their ids; ${told} told of ${bare.length + applications.length} clients`,
    );
  });

  /** Takes what the next server will have, and gives the way to start it. */
  async function takeBackup(): Promise<() => Promise<TestServer>> {
    const dataDir = join(folder, "data");
    if (how === "backup") {
      const file = join(folder, "backup.db");
      await backupStore(before.dataDir, file, { force: false, onProgress: () => undefined });
      return async () => {
        mkdirSync(dataDir);
        for (const name of ["secret-key", "development-app.json"])
          copyFileSync(join(before.dataDir, name), join(dataDir, name));
        await restoreStore(file, dataDir, { keepName: "", onProgress: () => undefined });
        return await startTestServer({ settings: { dataDir, logLevel: "silent" } });
      };
    }
    const bytes = statSync(join(before.dataDir, "parley.db-wal")).size;
    return async () => {
      using image = crashImage(before.dataDir);
      truncateSync(image.wal, bytes + 1000);
      cpSync(image.dataDir, dataDir, { recursive: true });
      return await startTestServer({ settings: { dataDir, logLevel: "silent" } });
    };
  }

  async function startApplication(name: string, other: string): Promise<Application> {
    const client = createClient({
      baseUrl: proxy.url,
      appId: before.appId,
      clientKey: before.clientKey,
      reconnectWait: 50,
    });
    const application: Application = { client, store: new Map(), resyncs: [] };
    const take = (message: Parameters<typeof textOf>[0]) => {
      if (message?.conversationId.includes(other)) application.store.set(message.seq, textOf(message));
    };
    client.on("friendMessage", take);
    client.on("ownMessage", take);
    client.on("resync", async ({ reason }) => {
      application.resyncs.push(reason);
      application.store.clear();
      for (const message of await history(client, other)) take(message);
    });
    client.on("error", () => undefined);
    await client.login({ bareId: name });
    applications.push(application);
    return application;
  }

  async function history(client: Client, other = "Tom") {
    return (await client.history.list(user(other), { pageSize: 100 })).messages;
  }

  const cursorOf = async (of: TestUser) => (await of.rpc.message.listEvents({})).cursor;

  /** What a bare client with this cursor is told by the server that came after. */
  async function resyncOf(of: TestUser, cursor: string): Promise<ResyncReason | undefined> {
    const stream = await subscribe({ ...of, rpc: withToken(must(after), of.token) }, { cursor });
    await stream.close();
    const frame = stream.frames.find((candidate) => candidate.case === "resyncRequired");
    return frame?.case === "resyncRequired" ? frame.value.reason : undefined;
  }
});
