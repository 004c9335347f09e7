import { type ChatMessage, type Peer, system, user } from "@parley/client";

/** The user who sent the message; undefined for the system. */
export function senderId({ sender }: ChatMessage): string | undefined {
  return sender?.sender.case === "userId" ? sender.sender.value : undefined;
}

/** The conversation a message belongs to, as `me` addresses it. */
export function threadPeer(message: ChatMessage, me: string): Peer {
  const { receiver } = message;
  if (receiver?.peer.case === "groupId" || receiver?.peer.case === "roomId") return receiver;
  const from = senderId(message);
  if (from === undefined || receiver?.peer.case !== "userId") return system();
  return from === me ? receiver : user(from);
}

/** The id of the user, group or room; empty for the system. */
export function peerId({ peer }: Peer): string {
  return typeof peer.value === "string" ? peer.value : "";
}
