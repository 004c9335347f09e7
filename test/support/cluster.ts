import { type Overrides, type RunningServer, type Settings, startServer } from "@parley/server";
import { type Clock, systemClock } from "../../server/src/ops/clock.js";
import { startBalancer } from "./balancer.js";
import { eventually } from "./eventually.js";
import { freePort } from "./free-port.js";

/** How many nodes each test server has, by the project of vitest that the suites of this process run in. */
export const NODES: number = Number(process.env.PARLEY_TEST_NODES ?? 1);

/** What one node changes the others know 2 s later at most; the suites ask for it at once. */
const AT_ONCE = { sessionCacheMs: 0, recordCacheMs: 0 };
/** After these spans, which no other timer has, a node looks for what is missing of a log. */
const HEALING = { repairMs: 50, repairRetryMs: 100, headPollMs: 100, headPollDownMs: 100 };

/** Nodes behind a balancer, as one server. */
export interface RunningCluster extends RunningServer {
  /** The address of each node. */
  readonly nodes: readonly string[];
}

/** Starts nodes in this process, on one PostgreSQL database and one NATS, behind a balancer: all together what one server is to a test. */
export async function startCluster(settings: Settings, overrides: Overrides): Promise<RunningCluster> {
  const { clock } = overrides;
  const common: Overrides = { ...overrides, times: { ...AT_ONCE, ...overrides.times } };
  if (clock !== undefined) Object.assign(common, { clock: besideNats(clock), times: { ...HEALING, ...common.times } });
  // Where clients are told another address the nodes cannot say theirs.
  const start = async () => {
    const port = settings.publicUrl === undefined ? 0 : await freePort();
    const node = await startServer({ ...settings, port, nats: natsSettings() }, common);
    return { ...node, url: port === 0 ? node.url : `http://127.0.0.1:${port}` };
  };
  // The first one makes the app for all.
  const first = await start();
  if (overrides.pushSender !== undefined) await pushFrom(settings.databaseUrl, first.developmentApp?.appId);
  const nodes = [first, ...(await Promise.all(Array.from({ length: NODES - 1 }, start)))];
  await Promise.all(nodes.map(hearsTheOthers));
  const balancer = await startBalancer(
    nodes.map(({ url }) => url),
    settings.port,
  );
  const close = async () => {
    await Promise.all(nodes.map((node) => node.close()));
    await balancer.close();
  };
  let closing: Promise<void> | undefined;
  return {
    ...first,
    nodes: nodes.map(({ url }) => url),
    url: settings.publicUrl ?? balancer.url,
    closed: Promise.all(nodes.map((node) => node.closed)).then((ends) => ({ fatal: ends.some(({ fatal }) => fatal) })),
    close: () => (closing ??= close()),
  };
}

/** As the first credential of an app does it: by that the keeper knows whose messages are to be pushed. A sender of a test's own needs none. */
async function pushFrom(databaseUrl: string | undefined, app_id: string | undefined): Promise<void> {
  if (databaseUrl === undefined || app_id === undefined) return;
  const { openPool } = await import("./postgres.js");
  const db = openPool(databaseUrl);
  await db
    .insertInto("push_cursor")
    .values({ app_id, pos: 0 })
    .onConflict((on) => on.doNothing())
    .execute();
  await db.destroy();
}

/** NATS does not stand still with the clock of a test: what it has not brought is looked for in the time of the machine. */
function besideNats(clock: Clock): Clock {
  // The polls come up to a fifth sooner or later.
  const isHealing = (ms: number) => ms >= 0.8 * HEALING.repairMs && ms <= 1.2 * HEALING.headPollMs;
  return {
    now: clock.now,
    mono: clock.mono,
    setTimer: (fn, ms, options) => (isHealing(ms) ? systemClock : clock).setTimer(fn, ms, options),
  };
}

function natsSettings(): Settings["nats"] {
  const url = process.env.PARLEY_TEST_NATS;
  if (url === undefined) throw new Error("no NATS server was started for the suites");
  return { servers: [new URL(url).host], tls: false, user: undefined, password: undefined, token: undefined };
}

async function hearsTheOthers({ url }: RunningServer): Promise<void> {
  await eventually(async () => {
    const metrics = await (await fetch(`${url}/metrics`)).text();
    if (!/^parley_bus_up 1$/m.test(metrics)) throw new Error("a node does not hear the others yet");
  });
}
