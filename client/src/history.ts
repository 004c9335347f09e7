import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { ChatMessage } from "@parley/proto/parley/v1/chat_message_pb.js";
import type { ListMessagesRequestSchema } from "@parley/proto/parley/v1/history_service_pb.js";
import type { Peer } from "@parley/proto/parley/v1/peer_pb.js";
import { type PageOptions, present } from "./page.js";
import type { Rpc } from "./rpc.js";

/** Where in a conversation to read: at most one of the four places; without one, the newest page. */
export interface HistoryOptions extends PageOptions {
  /** The newest messages before this time; an equal time is not before. */
  readonly beforeTime?: Date;
  /** The newest messages before this seq. */
  readonly beforeSeq?: number;
  /** The oldest messages after this seq. */
  readonly afterSeq?: number;
  /** Half a page up to and including this seq, half a page after it. */
  readonly aroundSeq?: number;
}

/** A page of a conversation. */
export interface HistoryPage {
  /** The messages, rising in seq, the caller's own included. */
  readonly messages: ChatMessage[];
  /** The token of the next page in the same direction; empty when there is none. */
  readonly nextPageToken: string;
  /** The seq of the oldest message that can still be read; 0 when there is none. */
  readonly oldestAvailableSeq: number;
  /** The seq of the newest message of the conversation. */
  readonly headSeq: number;
}

/** How an export begins, and how it is broken off. */
export interface ExportOptions {
  /** The checkpoint of the last item of an export that was cut; by default from the beginning. */
  readonly checkpoint?: string;
  readonly signal?: AbortSignal;
}

/** What of a conversation to export. */
export interface HistoryExportOptions extends ExportOptions {
  /** From this time on; by default from the oldest. */
  readonly fromTime?: Date;
  /** Before this time; an equal time is not before. By default up to the newest. */
  readonly toTime?: Date;
}

/** Stored messages: kept 7 days by default, a year with strangers; rooms have none. */
export interface History {
  /** Reads one page of a conversation with a user, a group or the system. Errors: NOT_FOUND, NOT_MEMBER, UNSUPPORTED (rooms). */
  list(peer: Peer, options?: HistoryOptions): Promise<HistoryPage>;
  /** Gets one message by its id. Errors: NOT_FOUND, also for a message the caller may not see. */
  get(messageId: string): Promise<ChatMessage>;
  /**
   * Reads all messages of a conversation that the caller can read, rising in seq, up to those that are there when it begins; each with the
   * checkpoint to go on from. Errors: NOT_FOUND, NOT_MEMBER, UNSUPPORTED (rooms), RATE_LIMITED (too many exports of the app).
   */
  export(peer: Peer, options?: HistoryExportOptions): AsyncIterable<{ message: ChatMessage; checkpoint: string }>;
  /** Clears the history of a group for everybody, for ever, and gives the seq up to which. The owner's right. Errors: NOT_FOUND, ROLE_TOO_LOW, UNSUPPORTED. */
  clear(group: Peer): Promise<number>;
  /** Hides the history of a conversation from the caller alone, up to a seq or by default to the head, and gives the seq up to which. */
  hide(peer: Peer, upToSeq?: number): Promise<number>;
}

type Position = NonNullable<MessageInitShape<typeof ListMessagesRequestSchema>["position"]>;

function toPosition({ beforeTime, beforeSeq, afterSeq, aroundSeq }: HistoryOptions): Position {
  if (beforeTime) return { case: "beforeTime", value: timestampFromDate(beforeTime) };
  if (beforeSeq !== undefined) return { case: "beforeSeq", value: beforeSeq };
  if (afterSeq !== undefined) return { case: "afterSeq", value: afterSeq };
  return aroundSeq === undefined ? { case: undefined } : { case: "aroundSeq", value: aroundSeq };
}

/** Makes the calls about stored messages. */
export function createHistory({ history }: Rpc): History {
  return {
    list: (peer, { pageSize = 0, pageToken = "", ...place } = {}) =>
      history.listMessages({ peer, position: toPosition(place), pageSize, pageToken }),
    get: async (messageId) => present((await history.getMessage({ messageId })).message),
    async *export(peer, { fromTime, toTime, checkpoint = "", signal } = {}) {
      const request = {
        peer,
        checkpoint,
        ...(fromTime && { fromTime: timestampFromDate(fromTime) }),
        ...(toTime && { toTime: timestampFromDate(toTime) }),
      };
      for await (const answer of history.exportHistory(request, signal && { signal }))
        yield { message: present(answer.message), checkpoint: answer.checkpoint };
    },
    clear: async (peer) => (await history.clearHistory({ peer })).clearedSeq,
    hide: async (peer, upToSeq = 0) => (await history.hideHistory({ peer, upToSeq })).hiddenSeq,
  };
}
