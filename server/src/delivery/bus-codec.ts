import type { Doorbell, LogEvent, LogRange, SentTransient, Signal, TransientEvent } from "../ports.js";

/**
 * How nodes write what they publish. Numbers are big-endian.
 *
 *   message          version u8, form u8, then by its form:
 *   1 range          head, count u32, events
 *   2 doorbell       head, last position u48
 *   3 transient      event, and of a message that was named by its sender: hash, sender and name (one to a line)
 *   4 signal         JSON
 *   head             generation 8 bytes, first position of the generation u48, first position u48
 *   event            kind u16, length of the audiences u32, length of the payload u32, audiences (one to a line), payload
 *
 * Positions of a range are dense, so one tells them all. The version is raised by whatever an earlier release would read wrong; a node passes over
 * the versions it does not know, and finds what they told in the store.
 */
export type Message =
  | { form: "range"; range: LogRange }
  | { form: "doorbell"; bell: Doorbell }
  | { form: "transient"; event: TransientEvent }
  | { form: "signal"; signal: Signal };

const VERSION = 1;
const [RANGE, DOORBELL, TRANSIENT, SIGNAL] = [1, 2, 3, 4];
const TOP_BYTES = 2;
const HEAD_BYTES = 8 + 6 + 6;
const EVENT_BYTES = 2 + 4 + 4;

/** The bytes of a range: those of a doorbell when they would be more than so many. */
export function encodeRange(range: LogRange, mostBytes: number): Buffer {
  const audiences = range.events.map(linesOf);
  const rest = range.events.reduce((sum, event, at) => sum + sizeOf(event, audiences[at] as Buffer), 0);
  const size = TOP_BYTES + HEAD_BYTES + 4 + rest;
  if (size > mostBytes) return encodeDoorbell(range);
  const bytes = Buffer.allocUnsafe(size);
  let at = writeHead(bytes, RANGE, range);
  at = bytes.writeUInt32BE(range.events.length, at);
  range.events.forEach((event, nth) => {
    at = writeEvent(bytes, at, event, audiences[nth] as Buffer);
  });
  return bytes;
}

function encodeDoorbell(range: LogRange): Buffer {
  const bytes = Buffer.allocUnsafe(TOP_BYTES + HEAD_BYTES + 6);
  bytes.writeUIntBE(range.events.at(-1)?.pos ?? 0, writeHead(bytes, DOORBELL, range), 6);
  return bytes;
}

export function encodeTransient(event: TransientEvent): Buffer {
  const audiences = linesOf(event);
  const sent = event.sent === undefined ? Buffer.alloc(0) : bytesOf(event.sent);
  const bytes = Buffer.allocUnsafe(TOP_BYTES + sizeOf(event, audiences) + sent.length);
  sent.copy(bytes, writeEvent(bytes, writeTop(bytes, TRANSIENT), event, audiences));
  return bytes;
}

function bytesOf({ hash, senderId, clientMessageId }: SentTransient): Buffer {
  return Buffer.from([hash, senderId, clientMessageId].join("\n"));
}

export function encodeSignal(signal: Signal): Buffer {
  return Buffer.concat([Buffer.from([VERSION, SIGNAL]), Buffer.from(JSON.stringify(signal))]);
}

/** What a message about an app says; "version" when another release may know, "malformed" when nobody does. */
export function decode(appId: string, message: Uint8Array): Message | "version" | "malformed" {
  if (message[0] !== VERSION) return message[0] === undefined || message[0] === 0 ? "malformed" : "version";
  const bytes = Buffer.from(message.buffer, message.byteOffset, message.byteLength);
  try {
    return decodeForm(appId, createReader(bytes));
  } catch {
    return "malformed";
  }
}

function decodeForm(appId: string, reader: Reader): Message | "malformed" {
  reader.number(1);
  const form = reader.number(1);
  if (form === SIGNAL) {
    const signal: unknown = JSON.parse(reader.bytes(reader.left()).toString());
    return isSignal(signal) && signal.appId === appId ? { form: "signal", signal } : "malformed";
  }
  if (form === TRANSIENT) {
    const event = { appId, ...readEvent(reader) };
    if (reader.left() === 0) return { form: "transient", event };
    const [hash = "", senderId, clientMessageId, ...more] = reader.bytes(reader.left()).toString().split("\n");
    if (senderId === undefined || clientMessageId === undefined || more.length > 0) return "malformed";
    return { form: "transient", event: { ...event, sent: { hash, senderId, clientMessageId } } };
  }
  if (form !== RANGE && form !== DOORBELL) return "malformed";
  const generationId = reader.bytes(8).toString("hex");
  const log = { appId, generationId, generationFirstPos: reader.number(6) };
  const firstPos = reader.number(6);
  if (form === DOORBELL) {
    const lastPos = reader.number(6);
    const isWhole = reader.left() === 0 && lastPos >= firstPos;
    return isWhole ? { form: "doorbell", bell: { ...log, firstPos, lastPos } } : "malformed";
  }
  const count = reader.number(4);
  // Bounded before anything is made: each event has at least its lengths.
  if (count === 0 || count * EVENT_BYTES > reader.left()) return "malformed";
  const events: LogEvent[] = [];
  for (let nth = 0; nth < count; nth++) events.push({ ...readEvent(reader), pos: firstPos + nth });
  return reader.left() === 0 ? { form: "range", range: { ...log, events } } : "malformed";
}

type Content = Pick<LogEvent, "kind" | "audiences" | "payload">;

const linesOf = ({ audiences }: Content): Buffer => Buffer.from(audiences.join("\n"));
const sizeOf = ({ payload }: Content, audiences: Buffer): number => EVENT_BYTES + audiences.length + payload.length;

function writeTop(bytes: Buffer, form: number): number {
  bytes[0] = VERSION;
  bytes[1] = form;
  return TOP_BYTES;
}

function writeHead(bytes: Buffer, form: number, range: LogRange): number {
  const at = writeTop(bytes, form);
  bytes.fill(0, at, at + 8);
  bytes.write(range.generationId, at, 8, "hex");
  bytes.writeUIntBE(range.generationFirstPos, at + 8, 6);
  return bytes.writeUIntBE(range.events[0]?.pos ?? 0, at + 14, 6);
}

function writeEvent(bytes: Buffer, from: number, { kind, payload }: Content, audiences: Buffer): number {
  let at = bytes.writeUInt16BE(kind, from);
  at = bytes.writeUInt32BE(audiences.length, at);
  at = bytes.writeUInt32BE(payload.length, at);
  at += audiences.copy(bytes, at);
  bytes.set(payload, at);
  return at + payload.length;
}

function readEvent(reader: Reader): Content {
  const kind = reader.number(2);
  const [audienceBytes, payloadBytes] = [reader.number(4), reader.number(4)];
  const audiences = reader.bytes(audienceBytes).toString().split("\n");
  return { kind, audiences, payload: reader.bytes(payloadBytes) };
}

interface Reader {
  number(size: number): number;
  bytes(size: number): Buffer;
  left(): number;
}

/** Reads bytes from the first to the last. Throws when there are too few. */
function createReader(all: Buffer): Reader {
  let at = 0;
  const reader: Reader = {
    number: (size) => reader.bytes(size).readUIntBE(0, size),
    bytes(size) {
      if (size > reader.left()) throw new RangeError("the message is cut short");
      at += size;
      return all.subarray(at - size, at);
    },
    left: () => all.length - at,
  };
  return reader;
}

function isSignal(value: unknown): value is Signal {
  return (
    typeof value === "object" &&
    value !== null &&
    "appId" in value &&
    typeof value.appId === "string" &&
    "kind" in value &&
    typeof value.kind === "string"
  );
}
