import type { Contestant } from "../contestant.js";
import { readUsage } from "../process-usage.js";
import { beginWindow, createAlarm, type Findings, inTurn, type MeasureOptions, pass, withServer } from "../stage.js";
import { makeWorkFolder } from "../work-folder.js";
import type { IdleLoad } from "../workloads.js";

const connectsAtOnce = 32;
/** Connected and gone before anything is measured, so that what the first connection needs is there. */
const warmSessions = 50;
const settleMs = 3_000;

/** W3: what a session costs that is there and does nothing. The server is a fresh one, to which all come back. */
export async function measureIdle(
  contestant: Contestant,
  workload: IdleLoad,
  { warmUpMs, profileDir, progress = () => {} }: MeasureOptions,
): Promise<Findings> {
  using folder = makeWorkFolder();
  const plan = contestant.launch(folder.path, workload);
  const userIds = Array.from({ length: workload.sessions }, (_, at) => `idle-${at}`);
  progress(`making ${workload.sessions} users`);
  const sessions = await withServer(plan, undefined, ({ ready }) => contestant.enrol(ready, userIds));
  progress("starting the server again");
  return await withServer(plan, profileDir, async (server) => {
    const alarm = createAlarm();
    const connect = (some: typeof sessions) =>
      Promise.race([
        inTurn(
          some.map((session) => () => contestant.attend(server.ready, session, alarm.fail)),
          connectsAtOnce,
        ),
        alarm.failed,
      ]);
    for (const session of await connect(sessions.slice(0, warmSessions))) session.close();
    await pass(Math.min(settleMs, warmUpMs), alarm);
    const before = readUsage(server.pid).rssBytes;
    progress("connecting");
    const endWindow = beginWindow(server);
    const open = await connect(sessions);
    const used = endWindow();
    progress("settling");
    await pass(Math.min(settleMs, warmUpMs), alarm);
    const after = readUsage(server.pid).rssBytes;
    for (const session of open) session.close();
    const each = (seconds: number): number => (seconds * 1_000) / sessions.length;
    return {
      figures: {
        sessions: open.length,
        kibEach: (after - before) / 1_024 / open.length,
        perSecond: open.length / used.seconds,
        cpu: each(used.serverSeconds),
        clientCpu: each(used.clientSeconds),
        rssMiB: after / 2 ** 20,
      },
      checked: open.length,
      windowMicros: used.windowMicros,
    };
  });
}
