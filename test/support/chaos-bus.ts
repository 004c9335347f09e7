import { once } from "node:events";
import { createServer, connect as dial, type Socket } from "node:net";

/** What a bad bus does to each message: a share of them, from 0 to 1. */
export interface BusFaults {
  drop: number;
  repeat: number;
  /** Held back for up to `lateMs`, so that later ones overtake it. */
  delay: number;
  lateMs: number;
  /** The version that each message says it is of, as if a newer release had written it. */
  version?: number;
}

/** A way from one node to NATS that loses, repeats and reorders what the node is told. */
export interface ChaosBus {
  readonly url: string;
  faults: BusFaults;
  /** What was done so far. */
  readonly done: Readonly<Record<"passed" | "dropped" | "repeated" | "delayed", number>>;
  /** Breaks the connections and takes no new ones, until `join`. */
  part(): void;
  join(): void;
  close(): Promise<void>;
}

export const CALM: BusFaults = { drop: 0, repeat: 0, delay: 0, lateMs: 0 };

/** Starts one in front of a NATS server. */
export async function startChaosBus(natsPort: number): Promise<ChaosBus> {
  const sockets = new Set<Socket>();
  const done = { passed: 0, dropped: 0, repeated: 0, delayed: 0 };
  let parted = false;

  const pass = (client: Socket, bytes: Buffer, isMessage: boolean) => {
    const { drop, repeat, delay, lateMs, version } = bus.faults;
    if (isMessage && version !== undefined) bytes[bytes.indexOf("\r\n") + 2] = version;
    const write = () => void (client.writable && client.write(bytes));
    if (isMessage && Math.random() < drop) {
      done.dropped += 1;
      return;
    }
    if (isMessage && Math.random() < delay) {
      done.delayed += 1;
      setTimeout(write, Math.random() * lateMs);
    } else write();
    if (isMessage && Math.random() < repeat) {
      done.repeated += 1;
      setTimeout(write, Math.random() * lateMs);
    }
    done.passed += 1;
  };

  const listener = createServer({ noDelay: true }, (client) => {
    if (parted) {
      client.resetAndDestroy();
      return;
    }
    const server = dial({ host: "127.0.0.1", port: natsPort, noDelay: true });
    const pair = [client, server];
    for (const socket of pair) {
      sockets.add(socket);
      socket.on("error", () => undefined);
      socket.on("close", () => {
        sockets.delete(socket);
        for (const end of pair) end.destroy();
      });
    }
    client.pipe(server);
    let rest: Buffer = Buffer.alloc(0);
    server.on("data", (chunk: Buffer) => {
      rest = Buffer.concat([rest, chunk]);
      for (let unit = unitOf(rest); unit !== undefined; unit = unitOf(rest)) {
        pass(client, rest.subarray(0, unit.length), unit.isMessage);
        rest = rest.subarray(unit.length);
      }
    });
  });
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
  const address = listener.address();
  if (address === null || typeof address === "string") throw new Error("no port");

  const cutAll = () => {
    for (const socket of sockets) socket.resetAndDestroy();
  };
  const bus: ChaosBus = {
    url: `nats://127.0.0.1:${address.port}`,
    faults: CALM,
    done,
    part() {
      parted = true;
      cutAll();
    },
    join() {
      parted = false;
    },
    async close() {
      parted = true;
      const closed = once(listener, "close");
      listener.close();
      cutAll();
      await closed;
    },
  };
  return bus;
}

/** The first line of the protocol, with its payload when it is a message; undefined until it is whole. */
function unitOf(bytes: Buffer): { length: number; isMessage: boolean } | undefined {
  const end = bytes.indexOf("\r\n");
  if (end < 0) return undefined;
  const line = bytes.toString("latin1", 0, end);
  const isMessage = /^H?MSG /i.test(line);
  const length = end + 2 + (isMessage ? Number(line.split(" ").at(-1)) + 2 : 0);
  return bytes.length < length ? undefined : { length, isMessage };
}
