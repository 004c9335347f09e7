import type { Session } from "@parley/proto/parley/v1/session_pb.js";
import type { PageOptions } from "./page.js";
import type { Rpc } from "./rpc.js";

/** The user's sessions on all devices. */
export interface Sessions {
  /** Lists one page, newest first. */
  list(page?: PageOptions): Promise<{ sessions: Session[]; nextPageToken: string }>;
  /** Ends a session as a logout there would. Errors: NOT_FOUND. */
  revoke(sessionId: string): Promise<void>;
}

/** Makes the calls about sessions. */
export function createSessions({ auth }: Rpc): Sessions {
  return {
    list: (page = {}) => auth.listSessions(page),
    revoke: async (sessionId) => void (await auth.revokeSession({ sessionId })),
  };
}
