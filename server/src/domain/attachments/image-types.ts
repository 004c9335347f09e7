/** The types of images that can be told by their first bytes. What claims to be one of them must be it. */
const KNOWN = ["image/png", "image/jpeg", "image/gif", "image/webp", "image/avif", "image/heic", "image/bmp"] as const;

export type ImageType = (typeof KNOWN)[number];

/** The first bytes that are looked at. */
export const HEAD_BYTES = 32;

/** Those that are opened for their size and a thumbnail. The others' decoders are too large a target for what they would give. */
export const OPENED: ReadonlySet<ImageType> = new Set(["image/png", "image/jpeg", "image/gif", "image/webp"]);

/** The type that an uploader has declared, if it is a known one, however it was spelt. */
export function declaredImage(mimeType: string): ImageType | undefined {
  const plain = mimeType.split(";", 1)[0]?.trim().toLowerCase() ?? "";
  const name = plain === "image/jpg" ? "image/jpeg" : plain === "image/heif" ? "image/heic" : plain;
  return KNOWN.find((type) => type === name);
}

/** The type that bytes begin as, if it is a known one. */
export function imageTypeOf(head: Buffer): ImageType | undefined {
  const text = head.toString("latin1");
  if (text.startsWith("\x89PNG\r\n\x1a\n")) return "image/png";
  if (text.startsWith("\xff\xd8\xff")) return "image/jpeg";
  if (/^GIF8[79]a/.test(text)) return "image/gif";
  if (/^RIFF....WEBP/s.test(text)) return "image/webp";
  if (text.startsWith("BM")) return "image/bmp";
  if (/^....ftypavi[fs]/s.test(text)) return "image/avif";
  if (/^....ftyp(hei[cxms]|hev[cxms]|mif1|msf1)/s.test(text)) return "image/heic";
  return undefined;
}
