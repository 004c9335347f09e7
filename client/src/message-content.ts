import { create, type JsonObject, type MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import {
  type MediaContentSchema,
  type MessageContent,
  MessageContentSchema,
} from "@parley/proto/parley/v1/message_content_pb.js";
import { type SendMessageRequest, SendMessageRequestSchema } from "@parley/proto/parley/v1/message_service_pb.js";
import type { Peer } from "@parley/proto/parley/v1/peer_pb.js";
import type { PushOptionsSchema } from "@parley/proto/parley/v1/push_options_pb.js";
import type { Uploadable } from "./attachments.js";

/** An image, a sound, a video or a file by reference. At least one of `attachmentId` and `url` is set. */
export interface Media {
  readonly attachmentId?: string;
  /** The address of the bytes, http or https, at most 2,048 bytes. */
  readonly url?: string;
  /** The address of a small preview, http or https, at most 2,048 bytes. */
  readonly thumbnailUrl?: string;
  /** At most 255 bytes. */
  readonly fileName?: string;
  /** Such as image/png. */
  readonly mimeType?: string;
  readonly sizeBytes?: number;
  /** In pixels. */
  readonly width?: number;
  /** In pixels. */
  readonly height?: number;
  /** The playing time in milliseconds. */
  readonly durationMs?: number;
}

/** What a message says: exactly one kind. */
export type Content =
  /** Plain text, at most 8 KiB in UTF-8. */
  | { readonly text: string }
  | { readonly image: Media }
  | { readonly audio: Media }
  | { readonly video: Media }
  | { readonly file: Media }
  /** A place on earth in degrees, WGS 84. */
  | { readonly location: { readonly latitude: number; readonly longitude: number; readonly name?: string } }
  /** Data whose shape the app defines, at most 16 KiB. `fallbackText` is shown by clients that do not know `type`, and by pushes. */
  | { readonly custom: { readonly type: string; readonly data?: JsonObject; readonly fallbackText?: string } };

/** The kinds of content that refer to bytes. */
export const mediaKinds = ["image", "audio", "video", "file"] as const;

/** A file in the place of a reference: it is uploaded first. */
export type FileContent =
  | { readonly image: Uploadable }
  | { readonly audio: Uploadable }
  | { readonly video: Uploadable }
  | { readonly file: Uploadable };

/** What may go with a message. */
export interface SendOptions {
  /** The app's free remark, at most 1,024 bytes. */
  readonly remark?: string;
  /** The app's free data, at most 16 KiB. */
  readonly attributes?: JsonObject;
  /** The id of the message of the same conversation that this one answers. */
  readonly replyTo?: string;
  /** The users that the message calls by name, at most 50, or everybody. */
  readonly mentions?: { readonly userIds?: readonly string[]; readonly everyone?: boolean };
  /** The wishes for the offline push. */
  readonly push?: MessageInitShape<typeof PushOptionsSchema>;
  /** Not stored: delivered at most once to those online now. It fails at once when the stream is not open. */
  readonly transient?: boolean;
  /** The deduplication key, 1 to 64 of A-Z a-z 0-9 _ -; by default a new UUID. */
  readonly clientMessageId?: string;
}

function media({ durationMs, ...rest }: Media): MessageInitShape<typeof MediaContentSchema> {
  return durationMs === undefined ? rest : { ...rest, duration: durationFromMs(durationMs) };
}

function contentCase(content: Content): NonNullable<MessageInitShape<typeof MessageContentSchema>["content"]> {
  if ("text" in content) return { case: "text", value: { text: content.text } };
  if ("image" in content) return { case: "image", value: media(content.image) };
  if ("audio" in content) return { case: "audio", value: media(content.audio) };
  if ("video" in content) return { case: "video", value: media(content.video) };
  if ("file" in content) return { case: "file", value: media(content.file) };
  if ("location" in content) return { case: "location", value: content.location };
  return { case: "custom", value: content.custom };
}

/** Makes the content of a message as the contract has it. */
export function toMessageContent(content: Content): MessageContent {
  return create(MessageContentSchema, { content: contentCase(content) });
}

/** Makes the request that sends a message. */
export function toSendRequest(
  receiver: Peer,
  content: Content,
  clientMessageId: string,
  options: SendOptions,
): SendMessageRequest {
  const { remark, attributes, replyTo, mentions, push, transient } = options;
  return create(SendMessageRequestSchema, {
    receiver,
    content: toMessageContent(content),
    clientMessageId,
    ...(remark !== undefined && { remark }),
    ...(attributes && { attributes }),
    ...(replyTo !== undefined && { replyToMessageId: replyTo }),
    ...(mentions && { mentions: { userIds: [...(mentions.userIds ?? [])], everyone: mentions.everyone ?? false } }),
    ...(push && { push }),
    ...(transient !== undefined && { transient }),
  });
}
