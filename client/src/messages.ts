import type { SendMessageRequest } from "@parley/proto/parley/v1/message_service_pb.js";
import type { Peer } from "@parley/proto/parley/v1/peer_pb.js";
import type { Attachments } from "./attachments.js";
import type { Clock } from "./clock.js";
import { type Content, type FileContent, type SendOptions, toSendRequest } from "./message-content.js";
import type { OutgoingMessage } from "./outgoing-message.js";
import { randomId } from "./random-id.js";
import type { Rpc } from "./rpc.js";
import { createUploadSends, fileIn } from "./upload-sends.js";

/** Sending. */
export interface Messages {
  /**
   * Hands a message over for sending and returns at once. Offline it waits in the outbox, in the order of its conversation, for at most 72
   * hours; it is stored at most once, however often it has to be sent. Room talk and transient messages never wait: offline they fail.
   * A file in the content is uploaded first (`on("progress")`), and joins the others when it is there; it does not wait for the network, and a
   * program that ends forgets it.
   * Errors of `stored`: NOT_FOUND, NOT_MEMBER, NOT_FRIEND, MUTED, TOO_LARGE, INVALID_FIELD, OFFLINE, SEND_EXPIRED, LOGGED_OUT, …
   */
  send(receiver: Peer, content: Content | FileContent, options?: SendOptions): OutgoingMessage;
  /** Tells the other side that this user types, or stopped. At most once, not stored. */
  setTyping(peer: Peer, typing: boolean): Promise<void>;
  /** The sends without an outcome, in the order they were sent, those of an earlier run too. */
  pending(): OutgoingMessage[];
}

/** The part of an outbox that sending needs. */
export interface SendQueue {
  send(request: SendMessageRequest): OutgoingMessage;
  pending(): OutgoingMessage[];
}

/** Makes the calls for sending. */
export function createMessages(
  { message }: Rpc,
  clock: Clock,
  queue: () => SendQueue,
  attachments: Attachments,
  signalOf: () => AbortSignal | undefined = () => undefined,
): Messages {
  const uploads = createUploadSends(attachments, () => clock.now(), queue, signalOf);
  return {
    send(receiver, content, options = {}) {
      const clientMessageId = options.clientMessageId ?? randomId(clock.now());
      const media = fileIn(content);
      if (media) return uploads.send(receiver, media, clientMessageId, options);
      return queue().send(toSendRequest(receiver, content as Content, clientMessageId, options));
    },
    setTyping: async (peer, typing) => void (await message.setTyping({ peer, typing })),
    pending: () => [...queue().pending(), ...uploads.pending()],
  };
}
