import type { Contestant, DayUser } from "../contestant.js";
import { actions, type Inhabitant, pick } from "../day-actions.js";
import { createDayLedger, type DayLedger } from "../day-ledger.js";
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
import { makeWorkFolder } from "../work-folder.js";
import type { DayLoad } from "../workloads.js";

const atOnce = 20;
const friendsEachSide = 3;
const drainMs = 15_000;

/** Everything at once, by chance: each slot takes one of the users and one of the actions, again and again. */
export async function measureDay(
  contestant: Contestant,
  workload: DayLoad,
  { warmUpMs, measureMs, profileDir, progress = () => {} }: MeasureOptions,
): Promise<Findings> {
  using folder = makeWorkFolder();
  progress("starting the server");
  return await withServer(contestant.launch(folder.path, workload), profileDir, async (server) => {
    const alarm = createAlarm();
    const ledger = createDayLedger(alarm.fail);
    progress("connecting");
    const joins = Array.from({ length: workload.users }, (_, at) => async () => {
      const userId = userName(at);
      const receive = ledger.receiverOf(userId);
      if (!contestant.joinDay) throw new Error("this row has no mixed day");
      return await contestant.joinDay(server.ready, { userId, receive, fail: alarm.fail });
    });
    const users = await Promise.race([inTurn(joins, atOnce), alarm.failed]);
    const inhabitants = await settle(users, workload);
    const times: number[] = [];
    let [done, recording, stopping] = [0, false, false];

    async function actAgain(): Promise<void> {
      while (!stopping) {
        const inhabitant = pick(inhabitants);
        const startedAt = performance.now();
        await pick(actions)(inhabitant, ledger);
        if (recording) times.push(performance.now() - startedAt);
        done += 1;
      }
    }
    progress("warming up");
    const loops = Array.from({ length: workload.inFlight }, actAgain);
    for (const loop of loops) loop.catch(alarm.fail);
    await pass(warmUpMs, alarm);
    progress("measuring");
    const endWindow = beginWindow(server);
    recording = true;
    await pass(measureMs, alarm);
    recording = false;
    const used = endWindow();
    stopping = true;
    progress("checking");
    await Promise.race([Promise.all(loops), alarm.failed]);
    await drain(ledger, alarm);
    await Promise.all(users.map((user) => user.close()));
    return {
      figures: { actions: times.length, ...rateFigures(times.length, times, times.length / 1_000, used) },
      checked: done,
      windowMicros: used.windowMicros,
    };
  });
}

const userName = (at: number): string => `user-${at}`;

/** Everybody has friends beside him, a group and a room. */
async function settle(users: readonly DayUser[], { groupSize }: DayLoad): Promise<Inhabitant[]> {
  const beside = (at: number, by: number): string => userName((at + by + users.length) % users.length);
  const steps = Array.from({ length: friendsEachSide }, (_, at) => at + 1);
  await inTurn(
    users.flatMap((user, at) => steps.map((step) => () => user.befriend(beside(at, step)))),
    atOnce,
  );
  const places = await inTurn(
    Array.from({ length: Math.ceil(users.length / groupSize) }, (_, at) => async () => {
      const members = users.slice(at * groupSize, (at + 1) * groupSize);
      const [owner] = members;
      if (!owner) throw new RangeError("a group without members");
      const ids = members.map(({ userId }) => userId);
      return { members: ids, group: await owner.create("group", ids), room: await owner.create("room", ids) };
    }),
    atOnce,
  );
  return users.map((user, at) => {
    const { members, group, room } = places[Math.floor(at / groupSize)] ?? {};
    if (!members || !group || !room) throw new RangeError(`user ${at} is in no group`);
    return { user, friends: steps.flatMap((step) => [beside(at, step), beside(at, -step)]), members, group, room };
  });
}

/** Waits until everybody has everything. */
async function drain(ledger: DayLedger, alarm: ReturnType<typeof createAlarm>): Promise<void> {
  const deadline = performance.now() + drainMs;
  while (ledger.missing() > 0 && performance.now() < deadline) await pass(20, alarm);
  await pass(100, alarm);
  if (ledger.missing() > 0) throw new Error(`${ledger.missing()} receivers miss messages: lost`);
}
