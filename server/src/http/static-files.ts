import { createHash } from "node:crypto";
import { readdir, readFile, stat } from "node:fs/promises";
import { extname, join, relative, sep } from "node:path";
import { answer, type HttpHandler, type HttpRequest } from "./message.js";

interface StaticFile {
  readonly body: Buffer;
  readonly headers: Readonly<Record<string, string>>;
  readonly etag: string;
  readonly modifiedMs: number;
}

/** By request path. */
export type StaticFiles = ReadonlyMap<string, StaticFile>;

const contentTypes: Readonly<Record<string, string>> = {
  ".css": "text/css; charset=utf-8",
  ".html": "text/html; charset=utf-8",
  ".ico": "image/x-icon",
  ".jpg": "image/jpeg",
  ".js": "text/javascript; charset=utf-8",
  ".json": "application/json",
  ".map": "application/json",
  ".png": "image/png",
  ".svg": "image/svg+xml",
  ".txt": "text/plain; charset=utf-8",
  ".webmanifest": "application/manifest+json",
  ".webp": "image/webp",
  ".woff2": "font/woff2",
};

function securityHeaders(elsewhere: string): Record<string, string> {
  const from = `'self'${elsewhere === "" ? "" : ` ${elsewhere}`}`;
  return {
    "content-security-policy":
      `default-src 'self'; connect-src ${from}; img-src ${from} blob: data:; media-src ${from} blob:; object-src 'none'; ` +
      "base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
  };
}

/** Bundlers put a hash of the content into these names, so what they name never changes. */
const hashedName = /[-.][\w-]{8,}\.\w+$/;

/**
 * Reads the built web page into memory once. A request path is only ever looked up, never turned into a file name,
 * so nothing outside the folder can be reached; a build that runs meanwhile cannot mix two versions; slow readers
 * share one copy. A missing folder (page not built) is an empty site. The page may get and put bytes at its own origin, and at one elsewhere.
 */
export async function loadStaticFiles(dir: string, elsewhere = ""): Promise<StaticFiles> {
  const files = new Map<string, StaticFile>();
  for (const entry of await readdir(dir, { recursive: true, withFileTypes: true }).catch(ignoreMissing)) {
    const file = join(entry.parentPath, entry.name);
    const path = `/${relative(dir, file).split(sep).join("/")}`;
    if (!entry.isFile() || path.includes("/.")) continue;
    const loaded = toStaticFile(path, await readFile(file), (await stat(file)).mtimeMs, elsewhere);
    files.set(path, loaded);
    if (path.endsWith("/index.html")) files.set(path.slice(0, -"index.html".length), loaded);
  }
  return files;
}

function ignoreMissing(error: NodeJS.ErrnoException): [] {
  if (error.code === "ENOENT") return [];
  throw error;
}

function toStaticFile(path: string, body: Buffer, mtimeMs: number, elsewhere: string): StaticFile {
  const modifiedMs = Math.floor(mtimeMs / 1000) * 1000; // HTTP dates have whole seconds
  const etag = `"${createHash("sha256").update(body).digest("base64url").slice(0, 22)}"`;
  const forEver = path.startsWith("/assets/") && hashedName.test(path);
  const headers = {
    ...securityHeaders(elsewhere),
    "content-type": contentTypes[extname(path)] ?? "application/octet-stream",
    "cache-control": forEver ? "public, max-age=31536000, immutable" : "no-cache",
    "last-modified": new Date(modifiedMs).toUTCString(),
    etag,
  };
  return { body, headers, etag, modifiedMs };
}

/** Whether the client's copy is current. An ETag, when sent, decides alone (RFC 9110, 13.2.2). */
export function isFresh(headers: HttpRequest["headers"], etag: string, modifiedMs: number): boolean {
  const known = headers["if-none-match"];
  if (known !== undefined) {
    return known.split(",").some((tag) => ["*", etag].includes(tag.trim().replace(/^W\//, "")));
  }
  const since = Date.parse(headers["if-modified-since"] ?? "");
  return !Number.isNaN(since) && since >= modifiedMs;
}

/** The handler for a path of the page, or undefined when it has no such path. */
export function findStaticFile(files: StaticFiles, path: string): HttpHandler | undefined {
  const file = files.get(path);
  if (file === undefined) {
    // Without the slash, relative links of a folder's index would point beside the folder.
    if (!files.has(`${path}/`)) return undefined;
    return (req, res) => answer(req, res, 308, { location: `${path}/` });
  }
  return (req, res) => {
    if (isFresh(req.headers, file.etag, file.modifiedMs)) answer(req, res, 304, file.headers);
    else answer(req, res, 200, file.headers, file.body);
  };
}
