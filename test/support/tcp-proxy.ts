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
  /** The bytes that went each way so far. */
  readonly bytes: Readonly<Record<Direction, number>>;
  /** Breaks every open connection at once, as a lost network or a crash does. */
  cutAll(): void;
  /**
   * Breaks the connection on which the last of so many more bytes goes this way, counted over all connections from now on: exactly these arrive.
   * Resolves when it has happened. A later call takes the place of an earlier one.
   */
  cutAfter(direction: Direction, bytes: number, how?: "reset" | "close"): Promise<void>;
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

interface PlannedCut {
  left: number;
  how: "reset" | "close";
  done(): void;
}

interface Pair {
  readonly sockets: readonly Socket[];
  lost: boolean;
}

/** Starts a proxy in front of a server, on a port of its own. */
export async function startTcpProxy(serverUrl: string): Promise<TcpProxy> {
  const pairs = new Set<Pair>();
  const frozen = new Set<Direction>();
  const planned = new Map<Direction, PlannedCut>();
  const bytes = { up: 0, down: 0 };
  let refusing = false;

  function cut(pair: Pair): void {
    pairs.delete(pair);
    for (const socket of pair.sockets) socket.resetAndDestroy();
  }

  /** Carries data one way. Each piece waits its time, and none overtakes another. */
  function carry(pair: Pair, from: Socket, to: Socket, direction: Direction): void {
    let flow = Promise.resolve();
    let earliest = 0;
    async function deliver(write: () => boolean | Promise<boolean>): Promise<void> {
      const wait = earliest - performance.now();
      if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
      if (frozen.has(direction)) pair.lost = true;
      else if (!to.destroyed && !(await write())) await Promise.race([once(to, "drain"), once(to, "close")]);
    }
    function enqueue(write: () => boolean | Promise<boolean>): void {
      earliest = performance.now() + proxy.delayMs;
      from.pause();
      flow = flow.then(() => deliver(write)).then(() => void from.resume());
      flow.catch(() => cut(pair));
    }
    function pass(chunk: Buffer): boolean | Promise<boolean> {
      const plan = planned.get(direction);
      if (plan === undefined || chunk.length < plan.left) {
        bytes[direction] += chunk.length;
        if (plan !== undefined) plan.left -= chunk.length;
        return to.write(chunk);
      }
      planned.delete(direction);
      bytes[direction] += plan.left;
      return cutBehind(pair, to, chunk.subarray(0, plan.left), plan);
    }
    from.on("data", (chunk) => enqueue(() => pass(chunk)));
    from.on("end", () => enqueue(() => to.end().writable));
  }

  /** Lets these bytes out and nothing after them. */
  async function cutBehind(pair: Pair, to: Socket, last: Buffer, { how, done }: PlannedCut): Promise<boolean> {
    await new Promise<unknown>((resolve) => to.write(last, resolve));
    if (how === "close") {
      pairs.delete(pair);
      for (const socket of pair.sockets) socket.destroySoon();
    } else cut(pair);
    done();
    return true;
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
    bytes,
    get connections() {
      return pairs.size;
    },
    cutAfter: (direction, left, how = "reset") =>
      new Promise((done) => void planned.set(direction, { left, how, done })),
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
