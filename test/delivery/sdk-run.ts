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

/** What a client does over a lane: from which cursor, up to how many events, and after how many bytes of what it is sent each of its connections breaks. */
export interface CutPlan {
  from: string;
  events: number;
  /** The byte for the first connection. */
  first: number;
  /** That for the next one, when one has broken after so many. */
  afterCut(byte: number): number;
  /** That for the one on which the event after this is awaited, when this was handed over by one that broke after so many; undefined: as it would be anyway. */
  afterEvent(byte: number, event: string): number | undefined;
  /** Goes on until it is live. */
  untilLive: boolean;
}

/** What it came to. */
export interface CutEnd {
  events: string[];
  complaints: string[];
  store: [string, string | undefined][];
  /** How often its connection broke before each of the events, and after them. */
  cuts: number[];
}

/** A client catches up with the log from a cursor, over connections that break one after the other. */
export async function catchUp(
  server: Pick<TestServer, "appId" | "clientKey">,
  lane: Lane,
  { from, events: most, first, afterCut, afterEvent, untilLive }: CutPlan,
): Promise<CutEnd> {
  const { proxy } = lane;
  const store = await storeAt(lane, from);
  const watched = watchedClient(server, { ...lane, store });
  const { client, events, complaints } = watched;
  const cuts = [0];
  let broken = 0;
  const breakAfter = (byte: number) => {
    void proxy.cutAfter("down", byte, howAt(byte)).then(() => {
      cuts.push((cuts.pop() ?? 0) + 1);
      broken = byte;
      breakAfter(afterCut(byte));
    });
  };
  const enough = new Promise<void>((resolve) => {
    client.on("event", () => {
      cuts.push(0);
      // The client has not yet seen that the connection which brought this is broken.
      const next = afterEvent(broken, events.at(-1) ?? "");
      if (next !== undefined) breakAfter(next);
      // It counts as applied once this has returned.
      if (events.length >= most) setImmediate(resolve);
    });
  });
  breakAfter(first);
  await client.restore(lane.userId);
  await enough;
  if (untilLive) await watched.live();
  void proxy.cutAfter("down", Number.POSITIVE_INFINITY);
  await client.close();
  proxy.cutAll();
  return { events, complaints, store: await contentOf(store), cuts };
}

/** How a connection breaks at a byte: both ways are tried at neighbouring ones. */
export const howAt = (byte: number) => (byte % 2 === 0 ? "reset" : "close");

/** Waits until a client was handed so many events. */
export async function handed(watched: WatchedClient, events: number): Promise<void> {
  await eventually(() => {
    if (watched.events.length < events)
      throw new Error(`${watched.events.length} of ${events} events were handed over`);
  }, 30_000);
}
