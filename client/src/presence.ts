import type { PresenceChanged } from "@parley/proto/parley/v1/stream_event_pb.js";

/** What the stream's presence events mean to somebody who may have missed some: who is online now, and who is no more. */
export interface PresenceTracker {
  /** A stream started: until `settle` the server names every friend that is online. */
  begin(): void;
  /** Takes an event and tells whether it is news: a friend believed online that is named again is not. */
  apply(change: PresenceChanged): boolean;
  /** The server has named all: returns the ids of those who were believed online and were not named. */
  settle(): string[];
  /** Whether the server has told of this user as of a friend. */
  isFriend(userId: string): boolean;
  /** The friendship is over: nothing is believed of this user any more. */
  forget(userId: string): void;
  /** Forgets everything. */
  clear(): void;
}

export function createPresenceTracker(): PresenceTracker {
  const online = new Set<string>();
  const friends = new Set<string>();
  let unnamed: Set<string> | undefined;
  return {
    begin() {
      unnamed = new Set(online);
    },
    apply(change) {
      const known = online.has(change.userId);
      friends.add(change.userId);
      unnamed?.delete(change.userId);
      if (change.online) online.add(change.userId);
      else online.delete(change.userId);
      return !(known && change.online);
    },
    settle() {
      const gone = [...(unnamed ?? [])];
      unnamed = undefined;
      for (const userId of gone) online.delete(userId);
      return gone;
    },
    isFriend: (userId) => friends.has(userId),
    forget(userId) {
      friends.delete(userId);
      online.delete(userId);
      unnamed?.delete(userId);
    },
    clear() {
      friends.clear();
      online.clear();
      unnamed = undefined;
    },
  };
}
