import { fromBinary } from "@bufbuild/protobuf";
import { EventKind, type StreamEvent, StreamEventSchema } from "@parley/proto/parley/v1/stream_event_pb.js";
import type { LogState } from "../ports.js";
import { decodeCursor, encodeCursor } from "../store/cursor.js";
import { generationAt, type LogReader, readLogState, readVisible, refusalOf, type StoredEvent } from "../store/log.js";
import { findUser } from "../store/users.js";
import type { UserCaller } from "./caller.js";
import type { Ctx } from "./context.js";
import { DomainError, ErrorReason, notFound } from "./errors.js";
import { pageLimit } from "./page.js";

export interface ListEventsCommand {
  cursor: string;
  pageSize: number;
  /** How long to wait for a first event. */
  waitMs: number;
  signal: AbortSignal;
}

/** The durable events after a cursor that the caller may see; see MessageService.ListEvents. */
export async function listEvents(
  ctx: Ctx,
  caller: UserCaller,
  command: ListEventsCommand,
): Promise<{ events: StreamEvent[]; cursor: string }> {
  const { appId } = caller;
  const user = await findUser(ctx.read, appId, caller.userId);
  if (user === undefined) throw notFound("user", "");
  const reader: LogReader = { userId: caller.userId, sessionId: caller.sessionId, createdPos: user.created_pos };
  const limit = pageLimit(ctx, command.pageSize);
  let state = await readLogState(ctx.read, appId);
  if (command.cursor === "") return { events: [], cursor: cursorAt(appId, state, state.head) };
  let pos = placeOf(appId, state, command.cursor);
  const deadlineMs = ctx.clock.mono() + command.waitMs;
  let waits = true;
  for (;;) {
    const chunk = await readVisible(ctx.read, appId, reader, pos, state.head, limit);
    if (chunk === "expired") throw expired();
    pos = chunk.upTo;
    const events = upToRevocation(chunk.events).filter((event) => event.payload.length > 0);
    const leftMs = deadlineMs - ctx.clock.mono();
    const atHead = pos >= state.head;
    if (events.length > 0 || (atHead && (leftMs <= 0 || !waits)) || command.signal.aborted) {
      const current = state;
      return {
        events: events.map(({ pos: at, payload }) => {
          const event = fromBinary(StreamEventSchema, payload);
          event.cursor = cursorAt(appId, current, at);
          return event;
        }),
        cursor: cursorAt(appId, state, pos),
      };
    }
    if (atHead) waits = await ctx.tail.passed(appId, pos, leftMs, command.signal);
    state = await readLogState(ctx.read, appId);
    if (pos < state.floor) throw expired();
  }
}

/** A session sees its own end and nothing after it, though a call of it may have waited across that moment. */
function upToRevocation(events: readonly StoredEvent[]): readonly StoredEvent[] {
  const at = events.findIndex((event) => event.kind === EventKind.SESSION_REVOKED);
  return at < 0 ? events : events.slice(0, at + 1);
}

/** The position a cursor names. Throws CURSOR_INVALID or CURSOR_EXPIRED. */
export function placeOf(appId: string, state: LogState, cursor: string): number {
  const place = decodeCursor(appId, cursor);
  const refusal = place === undefined ? "invalid" : refusalOf(state, place);
  if (refusal === "expired") throw expired();
  if (place === undefined || refusal !== undefined)
    throw new DomainError(
      ErrorReason.CURSOR_INVALID,
      "the cursor is malformed, of another app, or of a history that is gone",
      { field: "cursor", ...(place !== undefined && { metadata: { cause: LOST_HISTORY } }) },
    );
  return place.pos;
}

/** The cause of a refusal by which a client shows that it holds events that this server has lost. */
export const LOST_HISTORY = "HISTORY_CHANGED";

export function cursorAt(appId: string, state: LogState, pos: number): string {
  return encodeCursor(appId, { generationId: generationAt(state, pos), pos });
}

function expired(): DomainError {
  return new DomainError(ErrorReason.CURSOR_EXPIRED, "the cursor is older than the event log", { field: "cursor" });
}
