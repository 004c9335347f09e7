import type { MediaContent, MessageContent } from "@parley/proto/parley/v1/message_content_pb.js";
import { type AttachmentRow, findAttachment } from "../../store/attachments.js";
import type { Db } from "../../store/schema.js";
import { DomainError, ErrorReason, invalidField, notFound } from "../errors.js";
import { declaredImage } from "./image-types.js";
import { mayHave } from "./readers.js";

/** Who sends an attachment: the audiences of the transient messages that have brought it lately are asked for by its id. */
export interface MediaSender {
  appId: string;
  /** The user, or empty for the system, which has all attachments of its app. */
  userId: string;
  heard(appId: string, attachmentId: string): readonly string[];
}

/** What a content refers to when it is an attachment. */
export function attachmentIn(content: MessageContent | undefined): { field: string; media: MediaContent } | undefined {
  const inner = content?.content;
  switch (inner?.case) {
    case "image":
    case "audio":
    case "video":
    case "file":
      return inner.value.attachmentId === "" ? undefined : { field: `content.${inner.case}`, media: inner.value };
    default:
      return undefined;
  }
}

/**
 * The content with what the record knows of its attachment. Throws NOT_FOUND for one that the sender may not see, UPLOAD_INCOMPLETE for one of its own
 * that is not all there, INVALID_FIELD where the content says otherwise than the record.
 */
export async function withAttachment(db: Db, sender: MediaSender, content: MessageContent): Promise<MessageContent> {
  const { field, media } = attachmentIn(content) ?? {};
  if (field === undefined || media === undefined) return content;
  const { appId, userId } = sender;
  const row = await findAttachment(db, appId, media.attachmentId);
  const allowed =
    row !== undefined && (userId === "" || (await mayHave(db, userId, row, sender.heard(appId, media.attachmentId))));
  if (!allowed) throw notFound("attachment", `${field}.attachment_id`);
  if (row.complete === 0)
    throw new DomainError(ErrorReason.UPLOAD_INCOMPLETE, "the attachment's upload is not complete", {
      field: `${field}.attachment_id`,
    });
  if (field === "content.image" && declaredImage(row.mime_type) === undefined)
    throw invalidField(`${field}.attachment_id`, "this attachment is no image: send it as a file");
  return { ...content, content: { ...content.content, value: filled(field, media, row) } as MessageContent["content"] };
}

function filled(field: string, media: MediaContent, row: AttachmentRow): MediaContent {
  const one = <T extends string | number>(name: string, said: T, known: T, absent: T): T => {
    if (said === absent || known === absent || said === known) return known === absent ? said : known;
    throw invalidField(`${field}.${name}`, `the attachment has another ${name}`);
  };
  return {
    ...media,
    fileName: one("file_name", media.fileName, row.file_name, ""),
    mimeType: one("mime_type", media.mimeType, row.mime_type, ""),
    sizeBytes: one("size_bytes", media.sizeBytes, row.size_bytes, 0),
    width: one("width", media.width, row.width, 0),
    height: one("height", media.height, row.height, 0),
  };
}
