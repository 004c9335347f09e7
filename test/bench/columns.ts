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

/** What is shown of a kind of workload. */
export interface View {
  readonly columns: readonly Column[];
  /** The key of the figure by which the median of several rounds is found. */
  readonly steady: string;
  /** The key of the figure that the chart shows. */
  readonly headline: string;
}

export const views = {
  messages: {
    columns: [rate("msg"), p50, p99, cpu("s/1,000"), client("s/1,000"), rss],
    steady: "cpu",
    headline: "perSecond",
  },
  deliveries: {
    columns: [rate("msg"), p50, p99, cpu("s/100,000"), client("s/100,000"), rss],
    steady: "cpu",
    headline: "cpu",
  },
  idle: {
    columns: [
      { key: "kibEach", title: "KiB each", digits: 1, ratio: "KiB ×" },
      rate("connects"),
      cpu("ms each", 2),
      client("ms each", 2),
      rss,
    ],
    steady: "kibEach",
    headline: "kibEach",
  },
  catchUp: { columns: [p50, p99, cpu("ms each", 2), client("ms each", 2), rss], steady: "cpu", headline: "p50Ms" },
  pages: {
    columns: [rate("pages"), p50, p99, cpu("s/1,000"), client("s/1,000"), rss],
    steady: "cpu",
    headline: "perSecond",
  },
  start: {
    columns: [{ ...p50, digits: 0 }, { key: "mostMs", title: "most ms", digits: 0 }, cpu("ms each", 0), rss],
    steady: "p50Ms",
    headline: "p50Ms",
  },
  day: {
    columns: [
      { ...rate("op"), ratio: undefined },
      { ...p50, ratio: undefined },
      p99,
      { ...cpu("s/1,000"), ratio: undefined },
      client("s/1,000"),
      rss,
    ],
    steady: "cpu",
    headline: "cpu",
  },
} satisfies Record<string, View>;

/** Of a rate more is better, of all else less. */
export const moreIsBetter = (key: string): boolean => key === "perSecond";
