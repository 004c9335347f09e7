import type { SendMessageRequest } from "@parley/proto/parley/v1/message_service_pb.js";

/** The bound of what is remembered, in bytes. */
const recentBytes = 1024 * 1024;

/** The sends that were stored lately, for the rare server that comes back from an older backup. */
export interface RecentSends {
  /** Remembers a send and forgets the oldest ones beyond 1 MiB. */
  add(request: SendMessageRequest, bytes: number): void;
  /** Hands all of them out, oldest first, and forgets them. */
  take(): SendMessageRequest[];
  clear(): void;
}

export function createRecentSends(): RecentSends {
  let sends: { request: SendMessageRequest; bytes: number }[] = [];
  let total = 0;

  function clear(): void {
    sends = [];
    total = 0;
  }

  return {
    add(request, bytes) {
      sends.push({ request, bytes });
      total += bytes;
      while (total > recentBytes) total -= sends.shift()?.bytes ?? total;
    },
    take() {
      const requests = sends.map(({ request }) => request);
      clear();
      return requests;
    },
    clear,
  };
}
