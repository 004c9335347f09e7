import { mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { createCursorSaver, createCursorStore } from "./cursor-store.js";
import { type KeyValueStore, memoryStore, userPrefix } from "./key-value-store.js";
import { deferred } from "./outgoing-message.js";
import { fileStore } from "./platform/node.js";
import { webStore } from "./platform/web.js";
import { createSessionStore } from "./session-store.js";
import { settle } from "./testing/fake-clock.js";

let directory = "";
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "parley-store-"));
});
afterAll(() => rm(directory, { recursive: true }));
afterEach(() => vi.unstubAllGlobals());

/** What the web store needs of the browser. */
function fakeStorage(): Storage {
  const values = new Map<string, string>();
  const methods = {
    getItem: (key: string) => values.get(key) ?? null,
    setItem: (key: string, value: string) => void values.set(key, value),
    removeItem: (key: string) => void values.delete(key),
  };
  return new Proxy(methods as Storage, { ownKeys: () => [...values.keys()], getOwnPropertyDescriptor: enumerable });
}

const enumerable = () => ({ enumerable: true, configurable: true });

const stores: [string, () => KeyValueStore][] = [
  ["in memory", memoryStore],
  ["of files", () => fileStore(join(directory, String(Math.random())))],
  [
    "of the web",
    () => {
      vi.stubGlobal("localStorage", fakeStorage());
      return webStore();
    },
  ],
];

describe.each(stores)("a store %s", (_name, make) => {
  it("keeps, replaces, lists and removes", async () => {
    const store = make();
    expect(await store.get("a/b")).toBeUndefined();
    expect(await store.keys("")).toEqual([]);
    await store.set("a/c", "3");
    await store.set("a/b", "1");
    await store.set("a/b", "2");
    await store.set("b/../..", "4");
    expect(await store.get("a/b")).toBe("2");
    expect(await store.keys("a/")).toEqual(["a/b", "a/c"]);
    expect(await store.keys("")).toEqual(["a/b", "a/c", "b/../.."]);
    await store.remove("a/b");
    await store.remove("a/b");
    expect(await store.get("a/b")).toBeUndefined();
  });
});

describe("a file store", () => {
  it("lets only its owner read, and leaves nothing half written behind", async () => {
    const root = join(directory, "modes");
    const store = fileStore(root);
    await store.set("session", "token");
    const [name = ""] = await readdir(root);
    expect((await stat(join(root, name))).mode & 0o777).toBe(0o600);
    expect(await readdir(root)).toHaveLength(1);
  });
});

describe("a web store", () => {
  it("lives as long as the page where the browser offers nothing", async () => {
    const store = webStore();
    await store.set("a", "1");
    expect(await store.get("a")).toBe("1");
  });
});

describe("keys", () => {
  it("keep servers, apps and users apart, whatever their names", () => {
    const scopes = [
      { baseUrl: "http://a", appId: "b", userId: "c" },
      { baseUrl: "http://a/b", appId: "", userId: "c" },
      { baseUrl: "http://a", appId: "b/user/c", userId: "" },
      { baseUrl: "http://a", appId: "b", userId: "c/cursor" },
    ];
    expect(new Set(scopes.map(userPrefix)).size).toBe(scopes.length);
    for (const one of scopes) {
      for (const other of scopes) {
        if (one !== other) expect(userPrefix(one).startsWith(userPrefix(other))).toBe(false);
      }
    }
  });
});

describe("the cursor store", () => {
  const scope = { baseUrl: "http://a", appId: "b", userId: "c" };

  it("starts empty and keeps one cursor a user", async () => {
    const cursors = createCursorStore(memoryStore());
    expect(await cursors.load(scope)).toBe("");
    await cursors.save(scope, "7");
    expect(await cursors.load(scope)).toBe("7");
    expect(await cursors.load({ ...scope, userId: "d" })).toBe("");
    await cursors.clear(scope);
    expect(await cursors.load(scope)).toBe("");
  });

  it("writes the newest cursor when a slow write is done, and passes those between over", async () => {
    const written: string[] = [];
    const gates = [deferred<void>(), deferred<void>()];
    const saver = createCursorSaver(
      (cursor) => {
        written.push(cursor);
        return gates[written.length - 1]?.promise;
      },
      () => {},
    );
    for (const cursor of ["1", "2", "3"]) saver.save(cursor);
    expect(written).toEqual(["1"]);
    for (const { resolve } of gates) resolve();
    await saver.settled();
    expect(written).toEqual(["1", "3"]);
  });

  it("writes at once where the store does, and goes on after a failure", async () => {
    const written: string[] = [];
    const errors: unknown[] = [];
    const saver = createCursorSaver(
      (cursor) => {
        if (cursor === "2") throw new Error("full");
        written.push(cursor);
      },
      (error) => errors.push(error),
    );
    for (const cursor of ["1", "2", "3"]) {
      saver.save(cursor);
      await settle();
    }
    expect([written, errors.length]).toEqual([["1", "3"], 1]);
  });
});

describe("the session store", () => {
  it("remembers the latest user per tab, and all users together", async () => {
    const shared = memoryStore();
    const app = { baseUrl: "http://a", appId: "b" };
    const session = (userId: string) => ({ userId, sessionId: `s-${userId}`, token: `t-${userId}` });
    const left = createSessionStore(shared, app, memoryStore());
    const right = createSessionStore(shared, app, memoryStore());
    await left.save(session("Tom"));
    await right.save(session("Jerry"));
    expect((await left.load())?.userId).toBe("Tom");
    expect((await right.load())?.userId).toBe("Jerry");
    const fresh = createSessionStore(shared, app, memoryStore());
    expect((await fresh.load())?.userId).toBe("Jerry");
    expect((await fresh.load("Tom"))?.token).toBe("t-Tom");
    await right.remove({ ...session("Jerry"), sessionId: "older" });
    expect((await right.load())?.userId).toBe("Jerry");
    await right.remove(session("Jerry"));
    expect(await right.load()).toBeUndefined();
    expect((await left.load())?.userId).toBe("Tom");
  });
});
