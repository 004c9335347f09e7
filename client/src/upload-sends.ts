import type { Peer } from "@parley/proto/parley/v1/peer_pb.js";
import { type Attachments, describeFile, type Uploadable } from "./attachments.js";
import { toParleyError } from "./errors.js";
import {
  type Content,
  type FileContent,
  type Media,
  mediaKinds,
  type SendOptions,
  toSendRequest,
} from "./message-content.js";
import type { Outbox } from "./outbox.js";
import { createPendingSend, type OutgoingMessage, type PendingSend } from "./outgoing-message.js";

/** A file, and as what it goes. */
interface FileToSend {
  readonly kind: (typeof mediaKinds)[number];
  readonly file: Uploadable;
}

/** The sends whose file is on its way. Only then do they join the others, so what is sent meanwhile goes before them. */
export interface UploadSends {
  send(receiver: Peer, file: FileToSend, clientMessageId: string, options: SendOptions): OutgoingMessage;
  pending(): OutgoingMessage[];
}

/** The file in a content, if it holds one. */
export function fileIn(content: Content | FileContent): FileToSend | undefined {
  for (const kind of mediaKinds) {
    const value = (content as Partial<Record<typeof kind, Media | Uploadable>>)[kind];
    if (value instanceof Blob || value instanceof Uint8Array) return { kind, file: value };
  }
  return undefined;
}

export function createUploadSends(
  attachments: Attachments,
  now: () => number,
  queue: () => Pick<Outbox, "send">,
  signalOf: () => AbortSignal | undefined,
): UploadSends {
  const uploading = new Map<string, PendingSend>();

  async function upload(send: PendingSend, { kind, file }: FileToSend, options: SendOptions): Promise<void> {
    const { receiver, clientMessageId } = send.message;
    const signal = signalOf();
    try {
      const { attachmentId } = await attachments.upload(file, { onProgress: send.progress, ...(signal && { signal }) });
      signal?.throwIfAborted();
      const request = toSendRequest(receiver, mediaContent(kind, { attachmentId }), clientMessageId, options);
      const { stored } = queue().send(request);
      uploading.delete(clientMessageId);
      send.succeed(await stored);
    } catch (thrown) {
      uploading.delete(clientMessageId);
      send.fail(toParleyError(signal?.aborted ? signal.reason : thrown));
    }
  }

  return {
    send(receiver, file, clientMessageId, options) {
      const known = uploading.get(clientMessageId);
      if (known) return known.message;
      const content = mediaContent(file.kind, describeFile(file.file));
      const send = createPendingSend(toSendRequest(receiver, content, clientMessageId, options), now());
      uploading.set(clientMessageId, send);
      void upload(send, file, options);
      return send.message;
    },
    pending: () => [...uploading.values()].map(({ message }) => message),
  };
}

const mediaContent = (kind: FileToSend["kind"], media: Media): Content => ({ [kind]: media }) as never;
