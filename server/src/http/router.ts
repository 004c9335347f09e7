import type { Logger } from "../ops/logger.js";
import type { Metrics } from "../ops/metrics.js";
import type { PortErrors } from "../ports.js";
import type { Cors } from "./cors.js";
import { answer, answerError, type HttpHandler, type HttpRequest, type HttpResponse, pathOf } from "./message.js";
import { findStaticFile, type StaticFiles } from "./static-files.js";

export interface RouterOptions {
  /** Everything that is nothing else. Give `createNotFound` as the fallback of Connect's adapter. */
  readonly rpc: HttpHandler;
  /** Handlers by the start of the path (`/attachments/`), for all methods, before the page and RPC. */
  readonly prefixes?: Readonly<Record<string, HttpHandler>> | undefined;
  readonly cors: Cors;
  readonly files: StaticFiles;
  /** The FileDescriptorSet of the whole API. */
  readonly descriptor: () => Uint8Array;
  readonly metrics: Pick<Metrics, "contentType" | "text">;
  /** Why this server should get no new work just now; undefined when it may. */
  readonly notReady: () => Promise<string | undefined>;
  /** Who may read the metrics; everybody when absent. */
  readonly mayReadMetrics?: ((req: HttpRequest) => boolean) | undefined;
  readonly maxUrlBytes: number;
  readonly errors: PortErrors;
  readonly log?: Logger | undefined;
}

const plain = { "content-type": "text/plain; charset=utf-8", "cache-control": "no-store" };

/** The paths of an RPC, `/package.Service/Method`: the only ones for which a 404 speaks of procedures. */
const procedure = /^\/[\w.]+\/\w+$/;

export function createNotFound(errors: PortErrors): HttpHandler {
  // Connect clients take the code from the body: an RPC that is not there is unimplemented, not a missing record.
  return (req, res) => answerError(req, res, errors, procedure.test(pathOf(req)) ? "no_procedure" : "no_page");
}

export function createRouter(options: RouterOptions): HttpHandler {
  const prefixes = Object.entries(options.prefixes ?? {});
  const { errors } = options;
  const notFound = createNotFound(errors);

  const pages: Readonly<Record<string, HttpHandler>> = {
    // Alive, so that nobody restarts a server that is only busy, or is stopping.
    "/healthz": (req, res) => answer(req, res, 200, plain, "ok"),
    "/readyz": (req, res) => void answerReady(req, res, options),
    "/metrics": (req, res) => {
      if (options.mayReadMetrics?.(req) === false) notFound(req, res);
      else void answerMetrics(req, res, options);
    },
    "/descriptor.binpb": (req, res) => {
      answer(
        req,
        res,
        200,
        { "content-type": "application/octet-stream", "cache-control": "no-cache" },
        options.descriptor(),
      );
    },
  };

  const find = (req: HttpRequest, path: string): HttpHandler => {
    for (const [prefix, handler] of prefixes) if (path.startsWith(prefix)) return handler;
    const read = req.method === "GET" || req.method === "HEAD";
    if (!read) return options.rpc;
    return (Object.hasOwn(pages, path) ? pages[path] : undefined) ?? findStaticFile(options.files, path) ?? options.rpc;
  };

  return (req, res) => {
    res.setHeader("x-content-type-options", "nosniff");
    if (Buffer.byteLength(req.url ?? "") > options.maxUrlBytes) {
      answerError(req, res, errors, "url_too_long");
      return;
    }
    if (options.cors(req, res)) return;
    find(req, pathOf(req))(req, res);
  };
}

async function answerReady(req: HttpRequest, res: HttpResponse, { notReady }: RouterOptions): Promise<void> {
  const reason = await notReady();
  if (reason === undefined) answer(req, res, 200, plain, "ready");
  else answer(req, res, 503, plain, reason);
}

async function answerMetrics(
  req: HttpRequest,
  res: HttpResponse,
  { metrics, errors, log }: RouterOptions,
): Promise<void> {
  try {
    const text = await metrics.text();
    answer(req, res, 200, { "content-type": metrics.contentType, "cache-control": "no-store" }, text);
  } catch (err) {
    log?.error({ err }, "metrics failed");
    answerError(req, res, errors, "internal");
  }
}
