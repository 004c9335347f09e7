/** Bytes as they come from somebody. */
export async function* chunks(...all: string[]): AsyncGenerator<Uint8Array> {
  for (const chunk of all) yield Buffer.from(chunk);
}

/** Bytes that break off. */
export async function* brokenBytes(): AsyncGenerator<Uint8Array> {
  yield Buffer.from("ha");
  throw new Error("gone");
}

export async function bytesOf(bytes: AsyncIterable<Uint8Array> | undefined): Promise<Buffer | undefined> {
  if (bytes === undefined) return undefined;
  const all: Uint8Array[] = [];
  for await (const chunk of bytes) all.push(chunk);
  return Buffer.concat(all);
}

export async function textOf(bytes: AsyncIterable<Uint8Array> | undefined): Promise<string | undefined> {
  return (await bytesOf(bytes))?.toString();
}
