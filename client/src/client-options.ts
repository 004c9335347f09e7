import type { EventKind } from "@parley/proto/parley/v1/stream_event_pb.js";
import type { Clock } from "./clock.js";
import type { CursorStore } from "./cursor-store.js";
import type { InstallationChange } from "./installations.js";
import type { KeyValueStore } from "./key-value-store.js";
import type { Platform } from "./platform.js";

/** How a client is made. It cannot be changed afterwards; make another client. */
export interface ClientOptions {
  /** The address of the server, such as https://chat.example.com. */
  readonly baseUrl: string;
  readonly appId: string;
  /** The app's public client key. */
  readonly clientKey: string;
  /** Whether a lost stream comes back by itself; by default it does. */
  readonly autoReconnect?: boolean;
  /** The attempts in a row after which the client gives up; by default it never does. The count starts over when the server answers. */
  readonly reconnectAttempts?: number;
  /** The base of the back-off in milliseconds, by default 300: it doubles up to 30 s, of which a random part is waited. */
  readonly reconnectWait?: number;
  /** The install of the app on this device, as far as it is known now; `installations.register` adds to it. Without one there is no offline push. */
  readonly installation?: InstallationChange;
  /** The presence to show to friends while the stream is open; by default `online`. */
  readonly presence?: "online" | "invisible";
  /** The kinds of events to receive; by default all. */
  readonly kinds?: readonly EventKind[];
  /** Whether a page that cannot be seen gives up its stream; by default it does not. */
  readonly pauseWhenHidden?: boolean;
  /** Where session, cursor and pending sends are kept: by default `localStorage` in a browser, and in memory in Node. */
  readonly store?: KeyValueStore;
  /** Where the cursor alone is kept, for an application that saves it together with its own data. */
  readonly cursorStore?: CursorStore;
  /** The way to the server and what the device tells; by default that of the browser or of Node. */
  readonly platform?: Platform;
  /** Time and chance, for tests. */
  readonly clock?: Clock;
}
