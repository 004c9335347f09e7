import { EventKind } from "@parley/proto/parley/v1/stream_event_pb.js";
import { idOf, isGroupPlace, userAudience } from "./audience.js";
import { blankEvent, blankMessage, NOTHING } from "./blank.js";
import { type Erasure, readErasures } from "./erasure.js";
import type { Db } from "./schema.js";

/** The kinds whose payload holds a message. */
export const MESSAGE_KINDS: readonly number[] = [
  EventKind.MESSAGE_CREATED,
  EventKind.MESSAGE_UPDATED,
  EventKind.SYSTEM_MESSAGE,
];

interface Message {
  sender: string;
  pos: number;
  payload: Uint8Array;
}

/** Messages as they may be read: without the words of users that were deleted a moment ago. What is blanked by then is stored so. */
export async function readableMessages<T extends Message>(db: Db, appId: string, messages: T[]): Promise<T[]> {
  if (messages.length === 0) return messages;
  const erasures = await readErasures(db, appId);
  if (erasures.size === 0) return messages;
  return messages.map((message) => {
    const erasure = erasures.get(userAudience(message.sender));
    if (erasure === undefined || message.pos > erasure.upto_pos) return message;
    return { ...message, payload: blankMessage(message.payload, erasure.begin_ms) };
  });
}

interface Event {
  pos: number;
  kind: number;
  audiences: string;
  payload: Uint8Array;
}

/** Events as they may be read: without what deleted users have said and shown, and without what was said in a group before its history was cleared. */
export async function readableEvents<T extends Event>(db: Db, appId: string, events: T[]): Promise<T[]> {
  if (events.length === 0) return events;
  const erasures = [...(await readErasures(db, appId)).values()];
  if (erasures.length === 0) return events;
  return events.map((event) => erasures.reduce(without, event));
}

function without<T extends Event>(event: T, { subject, upto_pos, begin_ms }: Erasure): T {
  if (event.pos > upto_pos || event.payload.length === 0) return event;
  if (!isGroupPlace(subject)) {
    const payload = blankEvent(event.payload, idOf(subject), begin_ms);
    return payload === undefined ? event : { ...event, payload };
  }
  const cleared = event.audiences === subject && MESSAGE_KINDS.includes(event.kind);
  return cleared ? { ...event, payload: NOTHING } : event;
}
