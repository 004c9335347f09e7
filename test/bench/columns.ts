/** A figure of a measurement: a column of the table and a key of the JSON. */
export interface Column {
  readonly key: string;
  readonly title: string;
  readonly digits: number;
  /** The title of the column that divides it by Socket.IO's; absent: none. */
  readonly ratio?: string | undefined;
}

const p50: Column = { key: "p50Ms", title: "p50 ms", digits: 2, ratio: "p50 ×" };
const p99: Column = { key: "p99Ms", title: "p99 ms", digits: 2 };
const rss: Column = { key: "rssMiB", title: "RSS MiB", digits: 0 };
const cpu = (per: string, digits = 3): Column => ({ key: "cpu", title: `CPU ${per}`, digits, ratio: "CPU ×" });
const client = (per: string, digits = 3): Column => ({ key: "clientCpu", title: `client ${per}`, digits });
const rate = (what: string): Column => ({ key: "perSecond", title: `${what}/s`, digits: 0, ratio: `${what}/s ×` });

/** The columns of each kind of workload. */
export const columns = {
  messages: [rate("msg"), p50, p99, cpu("s/1,000"), client("s/1,000"), rss],
  deliveries: [rate("msg"), p50, p99, cpu("s/100,000"), client("s/100,000"), rss],
  idle: [
    { key: "kibEach", title: "KiB each", digits: 1, ratio: "KiB ×" },
    rate("connects"),
    cpu("ms each", 2),
    client("ms each", 2),
    rss,
  ],
  catchUp: [p50, p99, cpu("ms each", 2), client("ms each", 2), rss],
  pages: [rate("pages"), p50, p99, cpu("s/1,000"), client("s/1,000"), rss],
  start: [{ ...p50, digits: 0 }, { key: "mostMs", title: "most ms", digits: 0 }, cpu("ms each", 0), rss],
  day: [{ ...rate("op"), ratio: undefined }, p50, p99, cpu("s/1,000"), client("s/1,000"), rss],
} satisfies Record<string, readonly Column[]>;
