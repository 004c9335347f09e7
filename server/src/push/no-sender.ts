import type { PushSender } from "../ports.js";

/** Makes the sender of a server that knows no provider: no app can push. */
export function createNoSender(): PushSender {
  return {
    canPush: () => false,
    send: async () => ({ kind: "no_credential", reason: "this server knows no provider" }),
    close: async () => undefined,
  };
}
