import { ResyncReason } from "@parley/proto/parley/v1/message_service_pb.js";
import { decodeCursor } from "../store/cursor.js";
import { refusalOf } from "../store/log.js";
import type { AppTail } from "./app-tail.js";

/** Where a stream starts. */
export interface Start {
  pos: number;
  cursor: string;
  /** Why the client's cursor could not be honoured; undefined when everything after it follows. */
  resync: ResyncReason | undefined;
}

/** Resolves the cursor of a Subscribe: its own place, or the head with the reason. */
export function startOf(tail: AppTail, cursor: string): Start {
  const state = tail.state();
  const atHead = (resync: ResyncReason | undefined): Start => ({
    pos: state.head,
    cursor: tail.cursorAt(state.head),
    resync,
  });
  if (cursor === "") return atHead(undefined);
  const place = decodeCursor(tail.appId, cursor);
  if (place === undefined) return atHead(ResyncReason.INVALID);
  const refusal = refusalOf(state, place);
  if (refusal === undefined) return { pos: place.pos, cursor, resync: undefined };
  return atHead(refusal === "expired" ? ResyncReason.EXPIRED : ResyncReason.HISTORY_CHANGED);
}
