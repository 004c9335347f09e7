import { once } from "node:events";
import { createServer, type IncomingMessage, request, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";

/** A network that treats whole calls of HTTP/1.1 badly: it repeats them, lets later ones overtake them and loses their answers. Streams pass. */
export interface RequestProxy {
  url: string;
  /** What was done so far. */
  done: { passed: number; repeated: number; delayed: number; lost: number };
  /** Resolves when no copy is on its way any more. */
  quiet(): Promise<void>;
  close(): Promise<void>;
}

export interface RequestProxyOptions {
  target: string;
  /** A number below a bound. */
  dice(below: number): number;
  /** How likely, of 100, each of these is for a call. */
  percent: number;
  /** The longest time that a call or its copy is held up, in milliseconds. */
  delayMs: number;
}

export async function startRequestProxy({
  target,
  dice,
  percent,
  delayMs,
}: RequestProxyOptions): Promise<RequestProxy> {
  const done: RequestProxy["done"] = { passed: 0, repeated: 0, delayed: 0, lost: 0 };
  const copies = new Set<Promise<unknown>>();
  const happens = () => dice(100) < percent;
  const wait = () => new Promise((resolve) => setTimeout(resolve, dice(delayMs)));

  const forward = async ({ method, url, headers }: IncomingMessage, body: Buffer): Promise<IncomingMessage> => {
    const call = request(new URL(url ?? "/", target), { method, headers });
    call.end(body);
    const [answer] = (await once(call, "response")) as [IncomingMessage];
    return answer;
  };
  const repeatLater = async (incoming: IncomingMessage, body: Buffer) => {
    await wait();
    await buffer(await forward(incoming, body));
  };
  const pass = async (incoming: IncomingMessage, outgoing: ServerResponse) => {
    const body = await buffer(incoming);
    const streams = incoming.headers["content-type"]?.startsWith("application/connect+") ?? false;
    if (!streams) {
      done.passed++;
      if (happens()) {
        done.repeated++;
        // The copy may come before or after the call itself, and after later calls.
        const copy = repeatLater(incoming, body).catch(() => undefined);
        copies.add(copy);
        void copy.then(() => copies.delete(copy));
      }
      if (happens()) {
        done.delayed++;
        await wait();
      }
    }
    const answer = await forward(incoming, body);
    if (!streams && happens()) {
      done.lost++;
      await buffer(answer);
      return void incoming.socket.resetAndDestroy();
    }
    outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
    outgoing.on("close", () => answer.destroy());
    answer.pipe(outgoing);
  };
  const port = createServer((incoming, outgoing) => void pass(incoming, outgoing).catch(() => outgoing.destroy()));
  port.listen(0, "127.0.0.1");
  await once(port, "listening");
  return {
    url: `http://127.0.0.1:${(port.address() as AddressInfo).port}`,
    done,
    quiet: async () => void (await Promise.all(copies)),
    async close() {
      const closed = once(port, "close");
      port.close();
      port.closeAllConnections();
      await closed;
    },
  };
}
