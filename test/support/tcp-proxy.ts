import { once } from "node:events";
import { createServer, connect as dial, type Socket } from "node:net";

/** A bad network between clients and a server: it can be cut, closed, slowed down, or fall silent. */
export interface TcpProxy {
  /** The address that clients use instead of the server's; it stays the same for as long as the proxy lives. */
  readonly url: string;
  readonly port: number;
  /** The address of the server that new connections lead to. */
  target: string;
  /** How long every piece of data is on its way, in each direction. */
  delayMs: number;
  /** The connections that are open. */
  readonly connections: number;
  /** Breaks every open connection at once, as a lost network or a crash does. */
  cutAll(): void;
  /** From now on every new connection is reset. */
  refuse(): void;
  /** From now on new connections work again. */
  accept(): void;
  /** Half-open: connections stay and new ones are taken, but no data arrives any more, in one direction or in both. */
  freeze(direction?: "up" | "down" | "both"): void;
  /** Data flows again. Connections that lost data on the way are broken, as they could not go on. */
  thaw(): void;
  close(): Promise<void>;
}

type Direction = "up" | "down";

interface Pair {
  readonly sockets: readonly Socket[];
  lost: boolean;
}

/** Starts a proxy in front of a server, on a port of its own. */
export async function startTcpProxy(serverUrl: string): Promise<TcpProxy> {
  const pairs = new Set<Pair>();
  const frozen = new Set<Direction>();
  let refusing = false;

  function cut(pair: Pair): void {
    pairs.delete(pair);
    for (const socket of pair.sockets) socket.resetAndDestroy();
  }

  /** Carries data one way. Each piece waits its time, and none overtakes another. */
  function carry(pair: Pair, from: Socket, to: Socket, direction: Direction): void {
    let flow = Promise.resolve();
    let earliest = 0;
    async function deliver(write: () => boolean): Promise<void> {
      const wait = earliest - performance.now();
      if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
      if (frozen.has(direction)) pair.lost = true;
      else if (!to.destroyed && !write()) await Promise.race([once(to, "drain"), once(to, "close")]);
    }
    function enqueue(write: () => boolean): void {
      earliest = performance.now() + proxy.delayMs;
      from.pause();
      flow = flow.then(() => deliver(write)).then(() => void from.resume());
      flow.catch(() => cut(pair));
    }
    from.on("data", (chunk) => enqueue(() => to.write(chunk)));
    from.on("end", () => enqueue(() => to.end().writable));
  }

  const listener = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    if (refusing) {
      client.resetAndDestroy();
      return;
    }
    const server = dial({ ...endOf(proxy.target), allowHalfOpen: true, noDelay: true });
    const pair: Pair = { sockets: [client, server], lost: false };
    pairs.add(pair);
    carry(pair, client, server, "up");
    carry(pair, server, client, "down");
    for (const socket of pair.sockets) {
      socket.on("error", () => cut(pair));
      socket.on("close", () => {
        if (pair.sockets.every(({ destroyed }) => destroyed)) pairs.delete(pair);
      });
    }
  });
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
  const address = listener.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  const { port } = address;

  const proxy: TcpProxy = {
    url: `http://127.0.0.1:${port}`,
    port,
    target: serverUrl,
    delayMs: 0,
    get connections() {
      return pairs.size;
    },
    cutAll() {
      for (const pair of pairs) cut(pair);
    },
    refuse() {
      refusing = true;
    },
    accept() {
      refusing = false;
    },
    freeze(direction = "both") {
      if (direction !== "down") frozen.add("up");
      if (direction !== "up") frozen.add("down");
    },
    thaw() {
      frozen.clear();
      for (const pair of pairs) if (pair.lost) cut(pair);
    },
    async close() {
      refusing = true;
      const closed = once(listener, "close");
      listener.close();
      proxy.cutAll();
      await closed;
    },
  };
  return proxy;
}

function endOf(url: string): { host: string; port: number } {
  const { hostname, port } = new URL(url);
  return { host: hostname, port: Number(port) };
}
