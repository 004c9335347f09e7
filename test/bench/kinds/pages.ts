import type { Contestant, Member, Received } from "../contestant.js";
import { createSeed, seededFolder } from "../seed.js";
import {
  beginWindow,
  createAlarm,
  type Findings,
  inTurn,
  type MeasureOptions,
  pass,
  rateFigures,
  withServer,
} from "../stage.js";
import type { PagesLoad } from "../workloads.js";

const joinsAtOnce = 8;

/** W5: pages from anywhere in a long conversation; every page must hold the right places. */
export async function measurePages(
  contestant: Contestant,
  workload: PagesLoad,
  { warmUpMs, measureMs, profileDir, progress = () => {} }: MeasureOptions,
): Promise<Findings> {
  const folder = await seededFolder(contestant, workload.stored, progress);
  progress("starting the server");
  return await withServer(contestant.launch(folder, workload), profileDir, async (server) => {
    const alarm = createAlarm();
    const seed = createSeed(workload.stored);
    const joins = Array.from({ length: workload.readers }, (_, at) => {
      const userId = seed.users[at % 2 === 0 ? 0 : 1];
      return () => contestant.join(server.ready, { userId, fail: alarm.fail });
    });
    const members = await inTurn(joins, joinsAtOnce);
    const times: number[] = [];
    let [done, recording, stopping] = [0, false, false];

    async function readAgain(member: Member): Promise<void> {
      const peer = seed.users[member.userId === seed.users[0] ? 1 : 0];
      while (!stopping) {
        const last = workload.pageSize + Math.floor(Math.random() * (workload.stored - workload.pageSize));
        const startedAt = performance.now();
        const page = await member.page({ kind: "user", id: peer }, seed.timeOf(last) + 1, workload.pageSize);
        if (recording) times.push(performance.now() - startedAt);
        checkPage(page, last, workload.pageSize);
        done += 1;
      }
    }
    progress("warming up");
    const loops = members.flatMap((member) => Array.from({ length: workload.inFlight }, () => readAgain(member)));
    for (const loop of loops) loop.catch(alarm.fail);
    await pass(warmUpMs, alarm);
    progress("measuring");
    const endWindow = beginWindow(server);
    recording = true;
    // However short the time and slow the machine, something is measured.
    do await pass(measureMs, alarm);
    while (times.length === 0);
    recording = false;
    const used = endWindow();
    stopping = true;
    await Promise.race([Promise.all(loops), alarm.failed]);
    await Promise.all(members.map((member) => member.close()));
    return {
      figures: { pages: times.length, ...rateFigures(times.length, times, times.length / 1_000, used) },
      checked: done,
      windowMicros: used.windowMicros,
    };
  });
}

function checkPage(page: readonly Received[], last: number, size: number): void {
  const right = page.length === size && page.every(({ sequence }, at) => sequence === last - size + 1 + at);
  if (!right) {
    const places = page.map(({ sequence }) => sequence).join(", ");
    throw new Error(`the page up to place ${last} has places ${places}: lost, doubled or out of order`);
  }
}
