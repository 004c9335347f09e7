import type { Writable } from "node:stream";

/** What a fake provider does with a request. */
export type ProviderAnswer =
  | { status: number; body?: unknown; headers?: Record<string, string> }
  /** It never answers. */
  | "hang"
  /** It breaks the connection without an answer. */
  | "reset"
  /** HTTP/2 alone: it says that it goes away and has not looked at the request. Others break the connection. */
  | "goaway"
  /** It answers 400 and a body that never ends. */
  | "endless";

/** A provider on a port of this machine, which accepts what is right and notes all that it gets. */
export interface FakeProvider<Received> extends AsyncDisposable {
  url: URL;
  /** Every request for a push, whoever made it, in the order of its arrival. */
  readonly received: Received[];
  /** Connections that are open. */
  readonly connections: number;
  /** Says what becomes of each request that is well made, from now on; by default it is taken. */
  script(answer: (request: Received) => ProviderAnswer): void;
  close(): Promise<void>;
}

/** Writes to an answer for as long as somebody reads. */
export function writeEndlessly(answer: Writable): void {
  const more = () => {
    while (!answer.destroyed && answer.write("x".repeat(10_000)));
  };
  answer.on("drain", more);
  more();
}

/** The part of a JWT at a place, in JSON. */
export function jwtPart(jwt: string, at: 0 | 1): Record<string, unknown> {
  return JSON.parse(Buffer.from(jwt.split(".")[at] ?? "", "base64url").toString()) as Record<string, unknown>;
}
