import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";

/** A place in an app's log: a position and the generation that contains it. */
export interface LogPlace {
  generationId: string;
  pos: number;
}

const VERSION = 1;
const GENERATION_BYTES = 8;
const appMarks = new Map<string, Buffer>();

/**
 * The opaque form of a place: version, app, generation, a vector of positions (of one, so that a log may be sharded later) and a checksum.
 * It is bound to the app and not to a user, so that one encoding serves every reader.
 */
export function encodeCursor(appId: string, place: LogPlace): string {
  const body = Buffer.alloc(1 + 4 + GENERATION_BYTES + 1 + 6);
  body[0] = VERSION;
  appMark(appId).copy(body, 1);
  body.write(place.generationId, 5, "hex");
  body[13] = 1;
  body.writeUIntBE(place.pos, 14, 6);
  const sum = Buffer.alloc(4);
  sum.writeUInt32BE(crc32(body));
  return Buffer.concat([body, sum]).toString("base64url");
}

/** The place a cursor names, or undefined when it is malformed or of another app. */
export function decodeCursor(appId: string, cursor: string): LogPlace | undefined {
  const bytes = Buffer.from(cursor, "base64url");
  if (bytes.length !== 24 || bytes.toString("base64url") !== cursor) return undefined;
  const body = bytes.subarray(0, 20);
  if (body[0] !== VERSION || body[13] !== 1 || bytes.readUInt32BE(20) !== crc32(body)) return undefined;
  if (!body.subarray(1, 5).equals(appMark(appId))) return undefined;
  return { generationId: body.toString("hex", 5, 13), pos: body.readUIntBE(14, 6) };
}

function appMark(appId: string): Buffer {
  let mark = appMarks.get(appId);
  if (mark === undefined) {
    mark = createHash("sha256").update(appId).digest().subarray(0, 4);
    appMarks.set(appId, mark);
  }
  return mark;
}
