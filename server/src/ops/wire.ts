/** The tag and length of a field whose bytes are encoded already, such as a message that is stored: it is copied, not encoded again. */
export function fieldHead(no: number, length: number): Buffer {
  const tag = (no << 3) | LENGTH_DELIMITED;
  const head = Buffer.allocUnsafe(varintSize(tag) + varintSize(length));
  putVarint(head, putVarint(head, 0, tag), length);
  return head;
}

/** Bytes with their length before them: what stands after a field's tag. */
export function lengthDelimited(bytes: Uint8Array): Buffer {
  const size = varintSize(bytes.length);
  const field = Buffer.allocUnsafe(size + bytes.length);
  putVarint(field, 0, bytes.length);
  field.set(bytes, size);
  return field;
}

const LENGTH_DELIMITED = 2;

function varintSize(value: number): number {
  let size = 1;
  for (let rest = value >>> 7; rest > 0; rest >>>= 7) size++;
  return size;
}

/** Writes a number below 2^31 and gives the place after it. */
function putVarint(target: Buffer, at: number, value: number): number {
  let place = at;
  let rest = value;
  while (rest > 0x7f) {
    target[place++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  target[place++] = rest;
  return place;
}
