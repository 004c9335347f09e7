import type { ChatMessage, OutgoingMessage } from "@parley/client";
import { senderId } from "../model/peers.js";
import type { Notice, Thread } from "../model/thread.js";
import { timeMs } from "../model/time.js";
import { dayLabel } from "./when.js";

/** One line of a thread as it is shown. */
export type Row =
  | { readonly kind: "day" | "new" | "notice"; readonly key: string; readonly text: string }
  | {
      readonly kind: "message";
      readonly key: string;
      readonly message: ChatMessage;
      readonly own: boolean;
      readonly read: boolean;
      /** The first of several by the same user in a row. */
      readonly first: boolean;
    }
  | { readonly kind: "outgoing"; readonly key: string; readonly out: OutgoingMessage; readonly first: boolean };

const runMs = 5 * 60_000;

type Line = { readonly ms: number; readonly message: ChatMessage } | { readonly ms: number; readonly notice: Notice };

/** Messages keep their order; notices stand among them by their time. */
function linesOf({ messages, notices }: Thread): Line[] {
  const lines: Line[] = [];
  const left = [...notices];
  for (const message of messages) {
    const ms = timeMs(message.createTime);
    while (left[0] && left[0].timeMs < ms) lines.push(asLine(left.shift() as Notice));
    lines.push({ ms, message });
  }
  return [...lines, ...left.map(asLine)];
}

const asLine = (notice: Notice): Line => ({ ms: notice.timeMs, notice });

/** The lines of a thread, from the oldest to the newest, with days and with where the new ones begin. */
export function rowsOf(thread: Thread, me: string, nowMs: number): Row[] {
  const rows: Row[] = [];
  let day = "";
  let run = { by: undefined as string | undefined, ms: 0 };
  let isNew = thread.newAfterSeq === undefined;
  for (const line of linesOf(thread)) {
    const today = dayLabel(line.ms, nowMs);
    if (today !== day) rows.push({ kind: "day", key: `day ${today}`, text: today });
    if (today !== day) run = { by: undefined, ms: 0 };
    day = today;
    if ("notice" in line) {
      rows.push({ kind: "notice", key: `notice ${line.notice.id}`, text: line.notice.text });
      run = { by: undefined, ms: 0 };
      continue;
    }
    const { message } = line;
    const by = senderId(message);
    const own = by === me;
    if (!isNew && !own && message.seq > (thread.newAfterSeq ?? 0)) {
      rows.push({ kind: "new", key: "new", text: "New" });
      run = { by: undefined, ms: 0 };
      isNew = true;
    }
    const first = (by ?? "system") !== run.by || line.ms - run.ms > runMs;
    const read = own && message.seq > 0 && message.seq <= thread.theirReadSeq;
    rows.push({ kind: "message", key: message.messageId, message, own, read, first });
    run = { by: by ?? "system", ms: line.ms };
  }
  for (const out of thread.outgoing) {
    rows.push({ kind: "outgoing", key: `out ${out.clientMessageId}`, out, first: run.by !== me });
    run = { by: me, ms: nowMs };
  }
  return rows;
}

/** Whether the author of each message must be told, because there are several. */
export function hasAuthors({ peer }: Thread): boolean {
  return peer.peer.case === "groupId" || peer.peer.case === "roomId";
}
