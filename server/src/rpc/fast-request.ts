import { baseUrlOf } from "./base-url.js";
import { type Request, type Response, wasReset } from "./exchange.js";
import type { CallFacts } from "./funnel.js";

/** Reads the body of a request and gives it once it is whole; undefined when it is larger than allowed, and nothing when its client gave it up. */
export function readBody(request: Request, most: number, done: (body: Buffer | undefined) => void): void {
  const chunks: Buffer[] = [];
  let length = 0;
  const stop = () => {
    request.removeAllListeners("data");
    request.removeAllListeners("end");
    request.pause();
    done(undefined);
  };
  request.on("error", () => undefined);
  if (Number(request.headers["content-length"] ?? 0) > most) {
    stop();
    return;
  }
  request.on("data", (chunk: Buffer) => {
    length += chunk.length;
    if (length > most) stop();
    else chunks.push(chunk);
  });
  request.on("end", () => {
    if (wasReset(request)) return;
    done(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks, length));
  });
}

/** What is known of a call that does not pass Connect. */
export function plainFacts(
  request: Request,
  requestId: string,
  address: string,
  binary: boolean,
  over: LazyAbort,
): CallFacts {
  return {
    header(name) {
      const value = request.headers[name];
      return Array.isArray(value) ? value[0] : value;
    },
    requestId,
    address,
    binary,
    baseUrl: () => baseUrlOf(request as Parameters<typeof baseUrlOf>[0]),
    refusal: undefined,
    get signal() {
      return over.signal();
    },
  };
}

/** The end of a call that its caller no longer waits for. Few calls wait, so few need to know: the signal is made when it is asked for. */
export interface LazyAbort {
  signal(): AbortSignal;
  abort(): void;
}

export function lazyAbort(response: Response): LazyAbort {
  let controller: AbortController | undefined;
  return {
    signal() {
      if (controller === undefined) {
        const made = new AbortController();
        controller = made;
        if (response.destroyed) made.abort();
        else response.once("close", () => made.abort());
      }
      return controller.signal;
    },
    abort: () => controller?.abort(),
  };
}
