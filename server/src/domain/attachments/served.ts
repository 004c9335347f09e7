import type { BlobPart } from "../../ports.js";
import type { AttachmentRow } from "../../store/attachments.js";
import { declaredImage } from "./image-types.js";

/** How bytes are given out, whoever gives them: as something to be saved, of a type that no browser runs. */
export function servedAs(
  row: Pick<AttachmentRow, "mime_type" | "file_name">,
  part: BlobPart,
): { contentType: string; disposition: string } {
  const name = row.file_name === "" ? "attachment" : row.file_name;
  return {
    contentType: part === "thumbnail" ? "image/webp" : servedType(row.mime_type),
    disposition: `attachment; filename*=UTF-8''${encodeName(name)}`,
  };
}

/** What an uploader calls its bytes is believed of images that were looked at, sound and video: browsers run none of these as a page or script. */
function servedType(mimeType: string): string {
  const image = declaredImage(mimeType);
  if (image !== undefined) return image;
  return /^(audio|video)\//i.test(mimeType) ? mimeType : "application/octet-stream";
}

/** RFC 8187: what encodeURIComponent leaves alone is more than may stand there. */
function encodeName(name: string): string {
  return encodeURIComponent(name).replace(/['()*]/g, (letter) => `%${letter.charCodeAt(0).toString(16).toUpperCase()}`);
}
