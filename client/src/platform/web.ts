/** What is special to browsers: `@parley/client/web`. */
import { createConnectTransport } from "@connectrpc/connect-web";
import { Platform as PlatformKind } from "@parley/proto/parley/v1/installation_pb.js";
import { type KeyValueStore, memoryStore } from "../key-value-store.js";
import { callTimeoutMs, type Platform } from "../platform.js";
import { type PutBytes, putByFetch, putFailure } from "../put-bytes.js";

/** Keeps values in `localStorage` or `sessionStorage`. Where the browser offers none (privacy settings), they live as long as the page. */
export function webStore(area: "localStorage" | "sessionStorage" = "localStorage"): KeyValueStore {
  const storage = open(area);
  if (!storage) return memoryStore();
  return {
    get: (key) => storage.getItem(key) ?? undefined,
    set: (key, value) => storage.setItem(key, value),
    remove: (key) => storage.removeItem(key),
    keys: (prefix) =>
      Object.keys(storage)
        .filter((key) => key.startsWith(prefix))
        .sort(),
  };
}

function open(area: "localStorage" | "sessionStorage"): Storage | undefined {
  try {
    const storage = globalThis[area];
    storage.setItem("parley/probe", "");
    storage.removeItem("parley/probe");
    return storage;
  } catch {
    return undefined;
  }
}

/** Keeps values in IndexedDB, for more than the 5 MB of `localStorage`. */
export function indexedDbStore(name = "parley"): KeyValueStore {
  const table = "values";
  let database: Promise<IDBDatabase> | undefined;

  function connect(): Promise<IDBDatabase> {
    const request = indexedDB.open(name, 1);
    request.onupgradeneeded = () => request.result.createObjectStore(table);
    return settle(request);
  }

  async function run<T>(mode: IDBTransactionMode, work: (values: IDBObjectStore) => IDBRequest<T>): Promise<T> {
    database ??= connect();
    const transaction = (await database).transaction(table, mode);
    const result = await settle(work(transaction.objectStore(table)));
    if (mode === "readwrite") await committed(transaction);
    return result;
  }

  return {
    get: (key) => run<string | undefined>("readonly", (values) => values.get(key)),
    set: async (key, value) => void (await run("readwrite", (values) => values.put(value, key))),
    remove: async (key) => void (await run("readwrite", (values) => values.delete(key))),
    async keys(prefix) {
      const range = IDBKeyRange.bound(prefix, `${prefix}\uffff`);
      return (await run("readonly", (values) => values.getAllKeys(range))).map(String);
    },
  };
}

function settle<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

function committed(transaction: IDBTransaction): Promise<void> {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = () => reject(transaction.error);
  });
}

/** Calls `tell` now and at each of the events; returns the function that ends that. */
function watch(target: EventTarget, names: readonly string[], tell: () => void): () => void {
  for (const name of names) target.addEventListener(name, tell);
  tell();
  return () => {
    for (const name of names) target.removeEventListener(name, tell);
  };
}

/** By XMLHttpRequest, the only one that tells a page how far an upload has come; service workers have none. */
const put: PutBytes = (request) => {
  if (typeof XMLHttpRequest === "undefined") return putByFetch(request);
  const { url, headers, body, onProgress, signal } = request;
  return new Promise((resolve, reject) => {
    const exchange = new XMLHttpRequest();
    const abort = (): void => exchange.abort();
    const fail = (): void => reject(putFailure(signal));
    exchange.open("PUT", url);
    for (const [name, value] of Object.entries(headers)) exchange.setRequestHeader(name, value);
    exchange.upload.onprogress = ({ loaded }) => onProgress(loaded);
    exchange.onload = () => resolve({ status: exchange.status, text: exchange.responseText });
    exchange.onerror = fail;
    exchange.onabort = fail;
    exchange.onloadend = () => signal?.removeEventListener("abort", abort);
    if (signal?.aborted) return fail();
    signal?.addEventListener("abort", abort);
    exchange.send(body);
  });
};

/** The browser: binary Connect by `fetch`, `localStorage`, and what the page knows of network and visibility. */
export const platform: Platform = {
  kind: PlatformKind.WEB,
  createTransport: (baseUrl, interceptors) =>
    createConnectTransport({ baseUrl, interceptors, useBinaryFormat: true, defaultTimeoutMs: callTimeoutMs }),
  createStore: () => webStore(),
  put,
  createTabStore: () => webStore("sessionStorage"),
  // A worker has no document and, in some browsers, no window; it is then never told.
  watchOnline: (onChange) => watch(globalThis, ["online", "offline"], () => onChange(navigator.onLine)),
  watchVisible: (onChange) =>
    typeof document === "undefined"
      ? () => {}
      : watch(document, ["visibilitychange"], () => onChange(document.visibilityState === "visible")),
};
