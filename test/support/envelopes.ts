/** The flag of Connect's own end of a stream. */
export const END_OF_STREAM = 2;

/** One message in the envelope of gRPC, gRPC-Web and Connect streams. */
export function envelope(message: Uint8Array | string, flags = 0): Buffer {
  const data = Buffer.from(message);
  const head = Buffer.alloc(5);
  head.writeUInt8(flags);
  head.writeUInt32BE(data.length, 1);
  return Buffer.concat([head, data]);
}

export interface Envelope {
  flags: number;
  data: Buffer;
}

/** The envelopes that are complete in a run of bytes, and what is left of it. */
function cutAt(bytes: Buffer): { found: Envelope[]; rest: Buffer } {
  const found: Envelope[] = [];
  let at = 0;
  while (at + 5 <= bytes.length) {
    const end = at + 5 + bytes.readUInt32BE(at + 1);
    if (end > bytes.length) break;
    found.push({ flags: bytes.readUInt8(at), data: bytes.subarray(at + 5, end) });
    at = end;
  }
  return { found, rest: bytes.subarray(at) };
}

/** The envelopes that are complete in a run of bytes. */
export const envelopes = (bytes: Buffer): Envelope[] => cutAt(bytes).found;

/** Gives the envelopes that chunks of a stream complete, chunk by chunk. */
export function envelopeReader(): (chunk: Buffer) => Envelope[] {
  let kept: Buffer = Buffer.alloc(0);
  return (chunk) => {
    const { found, rest } = cutAt(kept.length === 0 ? chunk : Buffer.concat([kept, chunk]));
    kept = rest;
    return found;
  };
}
