import { isIPv6, type Server } from "node:net";

// All clients come back at once after an outage, and who finds this queue full waits a second or more. The kernel may allow less.
const BACKLOG = 4096;

/** Listens, or says in words why not. */
export function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (cause: NodeJS.ErrnoException): void => reject(explain(cause, host, port));
    server.once("error", fail);
    server.listen({ port, host, backlog: BACKLOG }, () => {
      server.off("error", fail);
      resolve();
    });
  });
}

function explain(cause: NodeJS.ErrnoException, host: string, port: number): Error {
  const reasons: Record<string, string> = {
    EADDRINUSE: "another process is listening there; stop it or choose another port",
    EACCES: "not permitted; ports below 1024 need privileges",
    EADDRNOTAVAIL: "this machine does not have that address",
    ENOTFOUND: "no such host",
  };
  return new Error(`cannot listen on ${host}:${port}: ${reasons[cause.code ?? ""] ?? cause.message}`, { cause });
}

/** A URL that works from this machine: "all interfaces" is an address to listen on, not to call. */
export function localUrl(scheme: "http" | "https", host: string, port: number): string {
  const callable = host === "0.0.0.0" || host === "" ? "127.0.0.1" : host === "::" ? "::1" : host;
  return `${scheme}://${isIPv6(callable) ? `[${callable}]` : callable}:${port}`;
}
