const clock = new Intl.DateTimeFormat(undefined, { hour: "numeric", minute: "2-digit" });
const day = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });
const dayAndYear = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "long", year: "numeric" });
const short = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });

/** Days that differ by one are neighbours, whatever the clock change. */
function dayNumber(ms: number): number {
  const date = new Date(ms);
  return Date.UTC(date.getFullYear(), date.getMonth(), date.getDate()) / 86_400_000;
}

export const timeLabel = (ms: number): string => clock.format(ms);

/** Such as "Today", "Yesterday", "Monday, 3 March". */
export function dayLabel(ms: number, nowMs: number): string {
  const ago = dayNumber(nowMs) - dayNumber(ms);
  if (ago === 0) return "Today";
  if (ago === 1) return "Yesterday";
  return ago < 180 ? day.format(ms) : dayAndYear.format(ms);
}

/** As short as a list needs it. */
export function listLabel(ms: number, nowMs: number): string {
  if (ms === 0) return "";
  const ago = dayNumber(nowMs) - dayNumber(ms);
  if (ago === 0) return timeLabel(ms);
  return ago === 1 ? "Yesterday" : short.format(ms);
}
