import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { deflateSync } from "node:zlib";
import type { Attachment } from "@parley/proto/parley/v1/attachment_pb.js";
import type { TestUser } from "./clients.js";
import { must } from "./messaging.js";

type Uploader = Pick<TestUser, "rpc">;

export interface UploadFacts {
  fileName?: string;
  mimeType?: string;
}

/** Begins an upload of so many bytes. */
export async function beginUpload(
  { rpc }: Uploader,
  sizeBytes: number,
  { fileName = "file.bin", mimeType = "application/octet-stream" }: UploadFacts = {},
) {
  return await rpc.attachment.createUpload({ fileName, mimeType, sizeBytes });
}

export function putBytes(url: string, body: Uint8Array | ReadableStream, headers: Record<string, string> = {}) {
  const duplex = body instanceof Uint8Array ? {} : { duplex: "half" };
  return fetch(url, { method: "PUT", body: body as Uint8Array<ArrayBuffer>, headers, ...duplex } as RequestInit);
}

/** Uploads bytes, all of it. */
export async function upload(user: Uploader, bytes: Uint8Array, facts: UploadFacts = {}): Promise<Attachment> {
  const { attachmentId, uploadUrl, headers } = await beginUpload(user, bytes.length, facts);
  const answer = await putBytes(uploadUrl, bytes, headers);
  if (!answer.ok) throw new Error(`the upload was refused: ${answer.status} ${await answer.text()}`);
  return must((await user.rpc.attachment.completeUpload({ attachmentId })).attachment);
}

/** The names of the files that there are of an attachment, or of all. */
export function filesOf(dataDir: string, attachmentId = ""): string[] {
  const folder = join(dataDir, "attachments");
  if (!existsSync(folder)) return [];
  const found = readdirSync(folder, { recursive: true, withFileTypes: true });
  return found
    .filter((entry) => entry.isFile() && entry.name.startsWith(attachmentId))
    .map(({ name }) => name)
    .sort();
}

/** A picture of one colour as PNG, made without what the server reads it with. */
export function png(width: number, height: number): Buffer<ArrayBuffer> {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 2, 0, 0, 0], 8);
  const line = Buffer.alloc(1 + width * 3, 0x7f);
  line[0] = 0;
  const pixels = deflateSync(Buffer.concat(Array.from({ length: height }, () => line)));
  return Buffer.concat([
    Buffer.from("\x89PNG\r\n\x1a\n", "latin1"),
    chunk("IHDR", header),
    chunk("IDAT", pixels),
    chunk("IEND", Buffer.alloc(0)),
  ]);
}

/** A few bytes that claim to be a picture of any size. */
export function pngHead(width: number, height: number): Buffer {
  const small = png(1, 1);
  const header = Buffer.from(small.subarray(16, 29));
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  return Buffer.concat([small.subarray(0, 8), chunk("IHDR", header), small.subarray(33)]);
}

function chunk(kind: string, data: Uint8Array): Buffer {
  const body = Buffer.concat([Buffer.from(kind, "latin1"), data]);
  const framed = Buffer.alloc(body.length + 8);
  framed.writeUInt32BE(data.length, 0);
  body.copy(framed, 4);
  framed.writeUInt32BE(crc32(body), body.length + 4);
  return framed;
}

function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return (crc ^ 0xffffffff) >>> 0;
}
