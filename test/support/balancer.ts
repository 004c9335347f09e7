import { once } from "node:events";
import { createServer, connect as dial, type Socket } from "node:net";

/** A plain load balancer in front of several servers: connections go to one after the other, and past those that do not answer. */
export interface Balancer {
  readonly url: string;
  readonly port: number;
  /** The addresses of the servers; may be changed at any time, for connections to come. */
  targets: string[];
  /** The open connections that lead to a server. */
  connectionsTo(target: string): number;
  close(): Promise<void>;
}

/** Starts a balancer, on a free port when none is named. */
export async function startBalancer(targets: readonly string[], listenPort = 0): Promise<Balancer> {
  const open = new Map<Socket, string>();
  let turn = 0;

  /** A connection to the next server that takes one. */
  const reach = async (): Promise<{ server: Socket; target: string } | undefined> => {
    for (let tried = 0; tried < balancer.targets.length; tried++) {
      const target = balancer.targets[turn++ % balancer.targets.length] as string;
      const { hostname, port } = new URL(target);
      const server = dial({ host: hostname, port: Number(port), noDelay: true });
      const reached = await once(server, "connect").then(
        () => true,
        () => false,
      );
      if (reached) return { server, target };
    }
    return undefined;
  };

  const join = async (client: Socket) => {
    client.on("error", () => client.destroy());
    const reached = await reach();
    if (reached === undefined || client.destroyed) {
      reached?.server.destroy();
      client.resetAndDestroy();
      return;
    }
    const { server, target } = reached;
    open.set(client, target);
    server.on("error", () => client.resetAndDestroy());
    server.on("close", () => client.destroy());
    client.on("close", () => {
      open.delete(client);
      server.destroy();
    });
    client.pipe(server).pipe(client);
  };

  const listener = createServer({ noDelay: true, pauseOnConnect: true }, (client) => void join(client));
  listener.listen(listenPort, "127.0.0.1");
  await once(listener, "listening");
  const address = listener.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  const { port } = address;

  const balancer: Balancer = {
    url: `http://127.0.0.1:${port}`,
    port,
    targets: [...targets],
    connectionsTo: (target) => [...open.values()].filter((one) => one === target).length,
    async close() {
      const closed = once(listener, "close");
      listener.close();
      for (const client of open.keys()) client.resetAndDestroy();
      await closed;
    },
  };
  return balancer;
}
