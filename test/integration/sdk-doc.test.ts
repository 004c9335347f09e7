import { existsSync } from "node:fs";
import { type Client, createClient, type OutgoingMessage, user } from "@parley/client";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Cast, gatherCast, live, newClient } from "../support/cast.js";
import { blocksOf, readDocument } from "../support/document.js";
import { eventually, startTestServer, type TestServer } from "../support/index.js";
import { hs256, jwt } from "../support/jwt.js";
import { must, textOf } from "../support/messaging.js";
import { makePushKeys } from "../support/push-keys.js";
import { type Made, runBlock } from "../support/snippets.js";
import { tempFolder } from "../support/temp-store.js";
import { png } from "../support/uploads.js";

const blocks = blocksOf(readDocument("docs/sdk.md"));

interface Stage extends Cast {
  /** What the block has as `client`. */
  client: Client;
  shown: unknown[];
  made: Made;
  folder: string;
}

const lastText = async ({ jerry }: Stage) => (await jerry.history.list(user("Tom"))).messages.map(textOf).at(-1);

/** What each block must have done, and for which client. */
const SCENES: Record<string, { client?: (stage: Cast) => Promise<Client>; after: (stage: Stage) => unknown }> = {
  Start: {
    async after(stage) {
      expect(await lastText(stage)).toBe("Hi!");
      await live(stage.made.client as Client);
      await stage.jerry.messages.send(user("Tom"), { text: "Hi Tom!" }).stored;
      await eventually(() => expect(stage.shown).toMatchObject([{ sender: { sender: { value: "Jerry" } } }]));
    },
  },
  "Start 2": {
    client: async ({ app }) => newClient(app),
    after: ({ client, made }) =>
      expect([made.me, client.currentUser?.userId]).toMatchObject([{ userId: "Tom" }, "Tom"]),
  },
  Send: {
    async after({ shown, made }) {
      const { clientMessageId } = made.out as { clientMessageId: string };
      await eventually(() => expect(shown).toEqual([[clientMessageId, "sent"]]));
    },
  },
  "Send 2": {
    async after({ shown, made, jerry }) {
      const { content } = await (made.out as OutgoingMessage).stored;
      expect(content?.content).toMatchObject({ case: "file", value: { fileName: "note.txt", sizeBytes: 15 } });
      expect(shown).toContain(1);
      await jerry.messages.send(user("Tom"), { file: new Blob(["x"]) }).stored;
      await eventually(() => expect(shown.at(-1)).toMatch(/^http:.*\/attachments\//));
    },
  },
  "What is saved, and where": {
    async after({ app: { url: baseUrl, appId, clientKey }, made, folder }) {
      const client = made.client as Client;
      await client.login({ bareId: "Tom" });
      await client.close();
      expect(existsSync(`${folder}/state`)).toBe(true);
      const { fileStore } = await import("@parley/client/node");
      const next = createClient({ baseUrl, appId, clientKey, store: fileStore(`${folder}/state`) });
      expect(await next.restore()).toMatchObject({ userId: "Tom" });
      await next.close();
    },
  },
  "Everything else": {
    after: async ({ jerry }) => {
      await jerry.groups.fetch({ detail: true });
      expect(jerry.currentUser?.groups.map(({ name }) => name)).toContain("Cats");
    },
  },
  "Your backend": {
    async after(stage) {
      expect(await lastText(stage)).toBe("Hi!");
      const client = newClient(stage.app);
      stage.adopt(client);
      await client.login({ sessionToken: String(stage.made.sessionToken) });
      expect(client.currentUser?.userId).toBe("Tom");
      expect(await stage.backend.admin.listPushCredentials()).toHaveLength(1);
      expect(stage.made.results).toEqual([]);
    },
  },
};

const SECRET = "a shared secret of at least 32 bytes";

/** What the app's backend answers to a user who is logged in there. */
async function signedToken({ app, backend }: Cast, sub: string): Promise<string> {
  await backend.admin.setTokenKeys([{ key: { case: "hs256Secret", value: SECRET } }]);
  const iat = Math.floor(Date.now() / 1000);
  return jwt({ alg: "HS256" }, { sub, aud: app.appId, iat, exp: iat + 600 }, hs256(SECRET));
}

describe("docs/sdk.md", () => {
  let server: TestServer;
  const keys = makePushKeys();
  beforeAll(async () => {
    server = await startTestServer();
  });
  afterAll(async () => {
    await server.close();
    keys[Symbol.dispose]();
  });

  test("has a scene for each block", () => {
    expect(blocks.map(({ name }) => name)).toEqual(Object.keys(SCENES));
  });

  test.each(blocks.map((block) => [block.name, block] as const))("%s", async (name, block) => {
    const scene = must(SCENES[name]);
    const cast = await gatherCast(server);
    using folder = tempFolder();
    const client = (await scene.client?.(cast)) ?? cast.tom;
    cast.adopt(client);
    const shown: unknown[] = [];
    const { url: baseUrl, appId, clientKey, serviceKey } = cast.app;
    const place = {
      baseUrl,
      appId,
      clientKey,
      serviceKey,
      groupId: cast.groupId,
      url: "https://cdn.example.com/cat.png",
    };
    const given = {
      ...place,
      client,
      file: new File([png(300, 200)], "cat.png", { type: "image/png" }),
      serviceAccountJson: keys.account.json,
      show: (value: unknown) => void shown.push(value),
      mark: (...values: unknown[]) => void shown.push(values),
      askMyBackend: () => signedToken(cast, "Tom"),
    };
    const made = await runBlock(block, { url: baseUrl, folder: folder.path, given, onClient: cast.adopt });
    await scene.after({ ...cast, client, shown, made, folder: folder.path });
    await cast.close();
  });
});
