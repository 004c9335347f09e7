import type { HttpRequest, HttpResponse } from "./message.js";

export interface CorsOptions {
  /** Origins as browsers spell them (`https://chat.example.org`), or `*`. Empty: no other site may call. */
  readonly origins: readonly string[];
  /** What the RPC protocols need; comes from `cors` of @connectrpc/connect. */
  readonly allowedMethods: readonly string[];
  readonly allowedHeaders: readonly string[];
  readonly exposedHeaders: readonly string[];
  readonly maxAgeSeconds: number;
}

/** Sets the headers that let a page of another origin call us; true when it has answered a preflight. */
export type Cors = (req: HttpRequest, res: HttpResponse) => boolean;

const ownRequestHeaders = ["authorization", "parley-acting-user", "x-request-id", "range", "if-range", "if-none-match"];
const ownResponseHeaders = ["x-request-id", "content-disposition", "content-range", "etag"];
/** How the bytes of attachments come and go. */
const ownMethods = ["HEAD", "PUT"];

/**
 * Credentials are never allowed: tokens travel in a header that only the page's own script can set, so `*` is safe.
 * An unlisted origin gets no header, which is how browsers are told no.
 */
export function createCors(options: CorsOptions): Cors {
  const any = options.origins.includes("*");
  const origins = new Set(options.origins.map((origin) => origin.toLowerCase().replace(/\/$/, "")));
  const methods = [...options.allowedMethods, ...ownMethods].join(", ");
  const requestHeaders = [...options.allowedHeaders, ...ownRequestHeaders].join(", ");
  const responseHeaders = [...options.exposedHeaders, ...ownResponseHeaders].join(", ");

  return (req, res) => {
    const { origin } = req.headers;
    const preflight = req.method === "OPTIONS" && req.headers["access-control-request-method"] !== undefined;
    if (!any && origins.size > 0) res.setHeader("vary", "origin");
    if (origin !== undefined && (any || origins.has(origin))) {
      res.setHeader("access-control-allow-origin", any ? "*" : origin);
      if (preflight) {
        res.setHeader("access-control-allow-methods", methods);
        res.setHeader("access-control-allow-headers", requestHeaders);
        res.setHeader("access-control-max-age", String(options.maxAgeSeconds));
      } else {
        res.setHeader("access-control-expose-headers", responseHeaders);
      }
    }
    if (preflight) {
      res.statusCode = 204;
      res.end();
    }
    return preflight;
  };
}
