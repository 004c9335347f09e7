/** What is special to Node: `@parley/client/node`. */
import { once } from "node:events";
import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { request as httpRequest, type IncomingMessage } from "node:http";
import { request as httpsRequest } from "node:https";
import { dirname, join, relative, sep } from "node:path";
import { text } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import { createConnectTransport } from "@connectrpc/connect-node";
import { Platform as PlatformKind } from "@parley/proto/parley/v1/installation_pb.js";
import { type KeyValueStore, memoryStore } from "../key-value-store.js";
import { callTimeoutMs, type Platform } from "../platform.js";
import { type PutBytes, putFailure } from "../put-bytes.js";

/** The largest message that is read, in bytes. */
const readMaxBytes = 4 * 1024 * 1024;

/** How often an HTTP/2 connection is probed, and how long the answer may take, in milliseconds. */
const pingIntervalMs = 20_000;
const pingTimeoutMs = 10_000;

/**
 * Keeps each value in a file below `directory`, readable by its owner only: a session token may be among them. A value is replaced as a
 * whole or not at all. One program at a time may use a directory.
 */
export function fileStore(directory: string): KeyValueStore {
  // The mark at the end of each part keeps a part such as ".." from leaving the directory.
  const pathOf = (key: string) => join(directory, ...key.split("/").map((part) => `${part}~`));
  const keyOf = (path: string) =>
    relative(directory, path)
      .split(sep)
      .map((part) => part.slice(0, -1))
      .join("/");
  let writes = 0;

  return {
    async get(key) {
      try {
        return await readFile(pathOf(key), "utf8");
      } catch (error) {
        if (isMissing(error)) return undefined;
        throw error;
      }
    },
    async set(key, value) {
      const path = pathOf(key);
      const draft = `${path}.${writes++}.draft`;
      await mkdir(dirname(path), { recursive: true, mode: 0o700 });
      await writeFile(draft, value, { mode: 0o600, flush: true });
      await rename(draft, path);
    },
    remove: (key) => rm(pathOf(key), { force: true }),
    async keys(prefix) {
      try {
        const found = await readdir(directory, { recursive: true, withFileTypes: true });
        const files = found.filter((entry) => entry.isFile() && entry.name.endsWith("~"));
        return files
          .map((entry) => keyOf(join(entry.parentPath, entry.name)))
          .filter((key) => key.startsWith(prefix))
          .sort();
      } catch (error) {
        if (isMissing(error)) return [];
        throw error;
      }
    },
  };
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}

/** How to reach the server from Node. */
export interface NodeOptions {
  /** The version of HTTP: "2", with all calls on one connection; "1.1" for proxies that speak nothing else. */
  readonly httpVersion?: "1.1" | "2";
}

const pieceBytes = 64 * 1024;

/** By Node's own client, which sends the length ahead and takes the bytes as fast as the server does. */
const put: PutBytes = async ({ url, headers, body, onProgress, signal }) => {
  try {
    const begin = url.startsWith("https:") ? httpsRequest : httpRequest;
    const request = begin(url, {
      method: "PUT",
      headers: { ...headers, "content-length": body.size },
      ...(signal && { signal }),
    });
    const answered = once(request, "response") as Promise<[IncomingMessage]>;
    const pieces = async function* () {
      for (let at = 0; at < body.size; at += pieceBytes) {
        const piece = body.slice(at, at + pieceBytes);
        yield new Uint8Array(await piece.arrayBuffer());
        onProgress(at + piece.size);
      }
    };
    // A refusal may come before all is sent, and then ends the sending.
    const sending = pipeline(pieces, request);
    sending.catch(() => {});
    const [response] = await answered;
    return { status: response.statusCode ?? 0, text: await text(response) };
  } catch (thrown) {
    throw putFailure(signal, thrown);
  }
};

/** Node: Connect over HTTP/2 or 1.1, and a store in memory. */
export function nodePlatform({ httpVersion = "2" }: NodeOptions = {}): Platform {
  return {
    kind: PlatformKind.SERVER,
    createTransport(baseUrl, interceptors) {
      const options = { baseUrl, interceptors, readMaxBytes, defaultTimeoutMs: callTimeoutMs };
      return httpVersion === "2"
        ? createConnectTransport({ ...options, httpVersion, pingIntervalMs, pingTimeoutMs })
        : createConnectTransport({ ...options, httpVersion });
    },
    createStore: memoryStore,
    put,
  };
}

/** Node with its defaults. */
export const platform: Platform = nodePlatform();
