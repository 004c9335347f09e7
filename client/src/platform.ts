import type { Interceptor, Transport } from "@connectrpc/connect";
import type { Platform as PlatformKind } from "@parley/proto/parley/v1/installation_pb.js";
import type { KeyValueStore } from "./key-value-store.js";
import type { PutBytes } from "./put-bytes.js";

/** What differs between a browser and Node. */
export interface Platform {
  /** What an installation says it runs on, unless the application says otherwise. */
  readonly kind: PlatformKind;
  /** Makes the connection to the server. Calls other than Subscribe must end after 10 s. */
  createTransport(baseUrl: string, interceptors: Interceptor[]): Transport;
  /** Makes the default store. */
  createStore(): KeyValueStore;
  /** Makes a store that belongs to one tab; absent where there are none. */
  readonly createTabStore?: () => KeyValueStore;
  /** Puts the bytes of an upload; absent: by `fetch`. */
  readonly put?: PutBytes;
  /** Tells whether there is a network, now and at each change; returns the function that ends that. */
  readonly watchOnline?: (onChange: (online: boolean) => void) => () => void;
  /** Tells whether the page can be seen, now and at each change; returns the function that ends that. */
  readonly watchVisible?: (onChange: (visible: boolean) => void) => () => void;
}

/** The time a call other than Subscribe may take, in milliseconds. */
export const callTimeoutMs = 10_000;
