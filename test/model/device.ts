import {
  type Client,
  createClient,
  type KeyValueStore,
  memoryStore,
  type OutgoingMessage,
  ResyncReason,
} from "@parley/client";
import { decodeCursor } from "../../server/src/store/cursor.js";
import type { TestServer } from "../support/index.js";
import type { TcpProxy } from "../support/tcp-proxy.js";
import type { LogPlace, Send } from "./state.js";
import { ChangeKind, saidEvent } from "./words.js";

/** How long anything may take that must happen: a failure, never a pause. */
const PATIENCE_MS = 30_000;

/** A send whose outcome is not known yet. */
export interface Waiting {
  send: Send;
  /** Absent when an earlier run of the program sent it. */
  handle: OutgoingMessage | undefined;
}

/** One program with the SDK on one device, and all that it was told. */
export class Device {
  client: Client;
  loggedIn = false;
  /** The network works. */
  net = true;
  /** The application has paused it. */
  held = false;
  session = "";
  cursor = "";
  /** Where its stream ended; read only while it has none. */
  place: LogPlace = { pos: 0, life: 0 };
  /** Sends without an outcome, and those that were stored lately. */
  waiting: Waiting[] = [];
  recent: Send[] = [];
  /** The durable events it was handed, and the transient ones since its stream began. */
  seen: { pos: number; line: string }[] = [];
  heard: string[] = [];
  resyncs: string[] = [];
  errors: unknown[] = [];
  readonly online = new Set<string>();
  /** How far what was seen is compared, and the position of that. */
  compared = 0;
  comparedPos = 0;
  heardFrom = 0;
  private readonly store: KeyValueStore = memoryStore();
  private looks: (() => void)[] = [];

  readonly user: string;
  readonly network: TcpProxy;
  private readonly app: Pick<TestServer, "appId" | "clientKey">;

  constructor(user: string, network: TcpProxy, app: Pick<TestServer, "appId" | "clientKey">) {
    this.user = user;
    this.network = network;
    this.app = app;
    this.client = this.start();
  }

  get live(): boolean {
    return this.loggedIn && this.net && !this.held;
  }

  /** Starts the program, on what an earlier run of it left. */
  start(): Client {
    const { appId, clientKey } = this.app;
    const client = createClient({
      baseUrl: this.network.url,
      appId,
      clientKey,
      store: this.store,
      // A device that cannot get through waits until it is told to try: a try costs more than a command.
      reconnectWait: 600_000,
      cursorStore: {
        load: () => this.cursor,
        save: (_, cursor) => {
          this.cursor = cursor;
          this.poke();
        },
        clear: () => {
          this.cursor = "";
        },
      },
    });
    client.on("event", (event) => {
      if (event.event.case === "presenceChanged") return this.poke();
      if (event.cursor === "") this.heard.push(saidEvent(event));
      else this.seen.push({ pos: this.posOf(event.cursor), line: saidEvent(event) });
      if (event.event.case === "friendChanged" && event.event.value.change === ChangeKind.REMOVED)
        this.online.delete(event.event.value.userId);
      this.poke();
    });
    client.on("friendOnline", ({ userId }) => void this.online.add(userId));
    client.on("friendOffline", ({ userId }) => {
      this.online.delete(userId);
      this.poke();
    });
    client.on("resync", ({ reason }) => void this.resyncs.push(ResyncReason[reason]));
    client.on("error", (error) => void this.errors.push(error));
    client.on("state", () => this.poke());
    this.client = client;
    return client;
  }

  posOf(cursor: string): number {
    const place = decodeCursor(this.app.appId, cursor);
    if (place === undefined) throw new Error(`device of ${this.user}: no cursor: ${cursor}`);
    return place.pos;
  }

  /** Looks again at what is waited for. */
  poke(): void {
    for (const look of this.looks.splice(0)) look();
  }

  /** Waits for something that the device is told. */
  async until(what: string, isSo: () => boolean): Promise<void> {
    const end = performance.now() + PATIENCE_MS;
    while (!isSo()) {
      const left = end - performance.now();
      if (left <= 0) throw new Error(`${this.user} waited in vain for ${what}; state ${this.client.state.name}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.looks.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }

  /** The id of the session that it holds. */
  async savedSession(): Promise<string> {
    const [key = ""] = (await this.store.keys("")).filter((name) => name.endsWith("/session"));
    return (JSON.parse((await this.store.get(key)) ?? "{}") as { sessionId?: string }).sessionId ?? "";
  }

  async close(): Promise<void> {
    await this.client.close();
  }
}
