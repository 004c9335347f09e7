import { once } from "node:events";
import { connect, type Socket } from "node:net";

/** HTTP/2 written by hand (RFC 9113), since no library sends what no client should. */
export const FRAME = {
  data: 0,
  headers: 1,
  priority: 2,
  rstStream: 3,
  settings: 4,
  ping: 6,
  goaway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;
export const FLAG = { endStream: 1, ack: 1, endHeaders: 4 } as const;

export function frame(type: number, flags: number, stream: number, payload: Uint8Array = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** A header block in which every line is spelled out: no table, no Huffman code. */
export function headerBlock(lines: readonly (readonly [name: string, value: string])[]): Buffer {
  return Buffer.concat(lines.flatMap(([name, value]) => [Buffer.of(0), text(name), text(value)]));
}

/** The headers of a call. */
export function callHeaders(path: string, more: Readonly<Record<string, string>> = {}): Buffer {
  return headerBlock([
    [":method", "POST"],
    [":scheme", "http"],
    [":path", path],
    [":authority", "localhost"],
    ...Object.entries({ "content-type": "application/json", ...more }),
  ]);
}

/** The whole of a call's headers in one frame that leaves the stream open. */
export function openStream(stream: number, block: Uint8Array): Buffer {
  return frame(FRAME.headers, FLAG.endHeaders, stream, block);
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value, "latin1");
  return Buffer.concat([prefixed(bytes.length, 7), bytes]);
}

/** HPACK's form of a number (RFC 7541, 5.1). */
function prefixed(value: number, bits: number): Buffer {
  const most = 2 ** bits - 1;
  if (value < most) return Buffer.of(value);
  const bytes = [most];
  let rest = value - most;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  return Buffer.of(...bytes, rest);
}

/** A connection that says HTTP/2 and then what the test wants. */
export interface FrameConnection {
  socket: Socket;
  closed: Promise<unknown>;
  isClosed(): boolean;
  /** Waits until the server answers a stream, resets it or hangs up, and tells whether the answer was 200. */
  answeredOk(stream: number): Promise<boolean>;
  /** Waits until the server has answered a PING, and so has seen all that was written before. */
  roundTrip(): Promise<void>;
  /** The streams that the server has reset. */
  resets(): number;
  /** Writes a block again and again, waiting while the server does not take it, until the connection is gone or so much was written; gives what was. */
  flood(block: Buffer, mostBytes: number): Promise<number>;
}

export async function connectFrames(url: string, { reading = true } = {}): Promise<FrameConnection> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  let got = Buffer.alloc(0);
  let gone = false;
  socket.on("error", () => undefined);
  const closed = new Promise<void>((resolve) => {
    socket.once("close", () => {
      gone = true;
      resolve();
    });
  });
  if (reading) socket.on("data", (chunk: Buffer) => (got = Buffer.concat([got, chunk])));
  else socket.pause();
  socket.write(
    Buffer.concat([
      Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
      frame(FRAME.settings, 0, 0),
      frame(FRAME.settings, FLAG.ack, 0),
    ]),
  );
  await once(socket, "connect");
  return {
    socket,
    closed,
    isClosed: () => gone,
    async answeredOk(stream) {
      for (;;) {
        for (const { type, on, payload } of frames(got)) {
          if (type === FRAME.goaway || (type === FRAME.rstStream && on === stream)) return false;
          if (type === FRAME.headers && on === stream) return payload[0] === STATUS_200;
        }
        if (gone) return false;
        await Promise.race([closed, new Promise((resolve) => socket.once("data", resolve))]);
      }
    },
    async roundTrip() {
      const answers = () => [...frames(got)].filter(({ type }) => type === FRAME.ping).length;
      const before = answers();
      socket.write(frame(FRAME.ping, 0, 0, Buffer.alloc(8)));
      while (!gone && answers() === before)
        await Promise.race([closed, new Promise((resolve) => socket.once("data", resolve))]);
    },
    resets: () => [...frames(got)].filter(({ type }) => type === FRAME.rstStream).length,
    async flood(block, mostBytes) {
      let written = 0;
      while (!gone && written < mostBytes) {
        written += block.length;
        if (socket.write(block)) continue;
        const drained = new Promise((resolve) => socket.once("drain", resolve));
        // A server that no longer reads has stopped the flood as well as one that hangs up.
        if ((await Promise.race([drained, closed, stalled()])) === STALLED) break;
      }
      return written - socket.writableLength;
    },
  };
}

/** The frames that are complete in what was read. */
function* frames(bytes: Buffer): Generator<{ type: number; on: number; payload: Buffer }> {
  for (let at = 0; at + 9 <= bytes.length; ) {
    const end = at + 9 + bytes.readUIntBE(at, 3);
    if (end > bytes.length) return;
    yield { type: bytes.readUInt8(at + 3), on: bytes.readUInt32BE(at + 5), payload: bytes.subarray(at + 9, end) };
    at = end;
  }
}

// As one byte of HPACK's own table.
const STATUS_200 = 0x88;
const STALLED = Symbol("stalled");
const stalled = () => new Promise((resolve) => setTimeout(resolve, 2_000, STALLED));
