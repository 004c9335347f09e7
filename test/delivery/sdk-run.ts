import { type Client, createClient, type KeyValueStore, memoryStore } from "@parley/client";
import { nodePlatform } from "@parley/client/node";
import { eventually, type TestServer, type TestUser } from "../support/index.js";
import { startTcpProxy, type TcpProxy } from "../support/tcp-proxy.js";
import { told } from "./story.js";

export type HttpVersion = "1.1" | "2";

/** A device behind a network of its own, with the place in the log that its store holds. */
export interface Lane {
  proxy: TcpProxy;
  http: HttpVersion;
  userId: string;
  store: KeyValueStore;
}

/** A client that keeps what it hands to the application. */
export interface WatchedClient {
  client: Client;
  /** The durable events handed over so far. */
  events: string[];
  /** The reasons of resyncs and the errors: a run has none. */
  complaints: string[];
  live(): Promise<void>;
}

// Time is real, but no wait between attempts is.
const clock = {
  now: Date.now,
  setTimer(ms: number, task: () => void) {
    const timer = setTimeout(task, ms);
    return () => clearTimeout(timer);
  },
  random: () => 0,
};

/** Makes a client over a lane. It does nothing before it is told to. */
export function watchedClient(
  server: Pick<TestServer, "appId" | "clientKey">,
  { proxy, http, store }: Pick<Lane, "proxy" | "http" | "store">,
): WatchedClient {
  const { appId, clientKey } = server;
  const platform = nodePlatform({ httpVersion: http });
  const client = createClient({ baseUrl: proxy.url, appId, clientKey, store, platform, clock });
  const events: string[] = [];
  const complaints: string[] = [];
  const waiting: (() => void)[] = [];
  client.on("event", (event) => {
    // What has no cursor is told at most once, and not again to one who was away.
    if (event.cursor !== "") events.push(told(event));
  });
  client.on("resync", ({ reason }) => void complaints.push(`resync ${reason}`));
  client.on("error", (error) => void complaints.push(String(error)));
  client.on("state", ({ name }) => {
    if (name === "live") for (const wake of waiting.splice(0)) wake();
  });
  return {
    client,
    events,
    complaints,
    live: () => (client.state.name === "live" ? Promise.resolve() : new Promise((wake) => waiting.push(wake))),
  };
}

/** Brings a device of a user to life and to rest again: its store holds its session and the cursor of now. */
export async function openLane(server: TestServer, device: TestUser, http: HttpVersion): Promise<Lane> {
  const proxy = await startTcpProxy(server.url);
  const lane: Lane = { proxy, http, userId: device.userId, store: memoryStore() };
  const watched = watchedClient(server, lane);
  await watched.client.login({ sessionToken: device.token });
  await watched.live();
  await watched.client.close();
  proxy.cutAll();
  return lane;
}

/** All that a store holds. */
async function contentOf(store: KeyValueStore): Promise<[string, string | undefined][]> {
  return await Promise.all((await store.keys("")).map(async (key) => [key, await store.get(key)] as [string, string]));
}

/** A copy of a lane's store that stands at another place of the log. */
export async function storeAt(lane: Lane, cursor: string): Promise<KeyValueStore> {
  const store = memoryStore();
  for (const [key, value] of await contentOf(lane.store))
    await store.set(key, key.endsWith("/cursor") ? cursor : (value ?? ""));
  return store;
}

/** What a run of a client over a lane came to. */
export interface RunEnd {
  events: string[];
  complaints: string[];
  store: [string, string | undefined][];
  /** Whether the connection broke as it was to. */
  cut: boolean;
}

/** What a run does: from which cursor, up to how many events, and after how many bytes of what it is sent its connection breaks. */
export interface RunPlan {
  from: string;
  events: number;
  cutAt?: number;
  how?: "reset" | "close";
}

/** A client catches up with the log from a cursor, over a connection that breaks. */
export async function catchUp(
  server: Pick<TestServer, "appId" | "clientKey">,
  lane: Lane,
  { from, events: most, cutAt, how }: RunPlan,
): Promise<RunEnd> {
  const { proxy } = lane;
  const store = await storeAt(lane, from);
  const watched = watchedClient(server, { ...lane, store });
  let cut = false;
  if (cutAt !== undefined) void proxy.cutAfter("down", cutAt, how).then(() => (cut = true));
  const enough = new Promise<void>((resolve) => {
    watched.client.on("event", () => {
      // It counts as applied once this has returned.
      if (watched.events.length >= most) setImmediate(resolve);
    });
  });
  await watched.client.restore(lane.userId);
  await enough;
  await watched.client.close();
  proxy.cutAll();
  const { events, complaints } = watched;
  return { events, complaints, store: await contentOf(store), cut };
}

/** Runs tasks by number, as many at a time as there are lanes. */
export async function overLanes(
  lanes: readonly Lane[],
  tasks: readonly number[],
  run: (lane: Lane, task: number) => Promise<void>,
) {
  const left = [...tasks].reverse();
  await Promise.all(
    lanes.map(async (lane) => {
      for (let task = left.pop(); task !== undefined; task = left.pop()) await run(lane, task);
    }),
  );
}

/** Waits until a client was handed so many events. */
export async function handed(watched: WatchedClient, events: number): Promise<void> {
  await eventually(() => {
    if (watched.events.length < events)
      throw new Error(`${watched.events.length} of ${events} events were handed over`);
  }, 30_000);
}
