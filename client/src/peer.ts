import { create } from "@bufbuild/protobuf";
import { type Peer, PeerSchema } from "@parley/proto/parley/v1/peer_pb.js";

/** The one-to-one conversation with a user. */
export const user = (userId: string): Peer => create(PeerSchema, { peer: { case: "userId", value: userId } });

/** The conversation of a group. */
export const group = (groupId: string): Peer => create(PeerSchema, { peer: { case: "groupId", value: groupId } });

/** The talk of a room, which is never stored. */
export const room = (roomId: string): Peer => create(PeerSchema, { peer: { case: "roomId", value: roomId } });

/** Every user of the app: for system messages only. */
export const everyone = (): Peer => create(PeerSchema, { peer: { case: "everyone", value: {} } });

/** The caller's own conversation with the system: for reading only. */
export const system = (): Peer => create(PeerSchema, { peer: { case: "system", value: {} } });

/** A text that two peers share if, and only if, they are the same conversation. */
export function peerKey({ peer }: Peer): string {
  return typeof peer.value === "string" ? `${peer.case}:${peer.value}` : String(peer.case);
}
