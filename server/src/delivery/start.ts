import { ResyncReason } from "@parley/proto/parley/v1/message_service_pb.js";
import { decodeCursor } from "../store/cursor.js";
import { StoreError } from "../store/errors.js";
import { readLogState, refusalOf } from "../store/log.js";
import type { Db } from "../store/schema.js";
import type { AppTail } from "./app-tail.js";
import type { Hub } from "./hub.js";

/** Where a stream starts. */
export interface Start {
  pos: number;
  cursor: string;
  /** Why the client's cursor could not be honoured; undefined when everything after it follows. */
  resync: ResyncReason | undefined;
}

/** Resolves the cursor of a Subscribe: its own place, or the head with the reason. */
export async function startOf(read: Db, hub: Hub, tail: AppTail, cursor: string): Promise<Start> {
  const atHead = (resync: ResyncReason | undefined): Start => {
    const pos = tail.watermark();
    return { pos, cursor: tail.cursorAt(pos), resync };
  };
  if (cursor === "") return atHead(undefined);
  const place = decodeCursor(tail.appId, cursor);
  if (place === undefined) return atHead(ResyncReason.INVALID);
  let refusal = refusalOf(tail.state(), place);
  // The client may come from a node that is farther: what is so is what the store says.
  if (refusal === "history_changed") refusal = refusalOf(await readLogState(read, tail.appId), place);
  if (refusal === undefined && place.pos > tail.watermark() && !(await hub.catchUp(tail, place.pos)))
    throw new StoreError("busy");
  if (refusal === undefined) return { pos: place.pos, cursor, resync: undefined };
  return atHead(refusal === "expired" ? ResyncReason.EXPIRED : ResyncReason.HISTORY_CHANGED);
}
