import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";

/** A place in an app's log: a position and the generation that contains it. */
export interface LogPlace {
  generationId: string;
  pos: number;
}

const VERSION = 1;
const GENERATION_BYTES = 8;
const BODY_BYTES = 1 + 4 + GENERATION_BYTES + 1 + 6;
const appMarks = new Map<string, Buffer>();

// Every event of every stream has a cursor, and those after each other differ in their position alone.
const bytes = Buffer.alloc(BODY_BYTES + 4);
const body = bytes.subarray(0, BODY_BYTES);
let written = { appId: "", generationId: "" };

/**
 * The opaque form of a place: version, app, generation, a vector of positions (of one, so that a log may be sharded later) and a checksum.
 * It is bound to the app and not to a user, so that one encoding serves every reader.
 */
export function encodeCursor(appId: string, { generationId, pos }: LogPlace): string {
  if (written.appId !== appId || written.generationId !== generationId) {
    body[0] = VERSION;
    appMark(appId).copy(body, 1);
    body.write(generationId, 5, "hex");
    body[13] = 1;
    written = { appId, generationId };
  }
  body.writeUIntBE(pos, 14, 6);
  bytes.writeUInt32BE(crc32(body), BODY_BYTES);
  return bytes.toString("base64url");
}

/** The place a cursor names, or undefined when it is malformed or of another app. */
export function decodeCursor(appId: string, cursor: string): LogPlace | undefined {
  const given = Buffer.from(cursor, "base64url");
  if (given.length !== bytes.length || given.toString("base64url") !== cursor) return undefined;
  const place = given.subarray(0, BODY_BYTES);
  if (place[0] !== VERSION || place[13] !== 1 || given.readUInt32BE(BODY_BYTES) !== crc32(place)) return undefined;
  if (!place.subarray(1, 5).equals(appMark(appId))) return undefined;
  return { generationId: place.toString("hex", 5, 13), pos: place.readUIntBE(14, 6) };
}

function appMark(appId: string): Buffer {
  let mark = appMarks.get(appId);
  if (mark === undefined) {
    mark = createHash("sha256").update(appId).digest().subarray(0, 4);
    appMarks.set(appId, mark);
  }
  return mark;
}
