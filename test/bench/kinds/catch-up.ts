import { randomUUID } from "node:crypto";
import type { Contestant, Member, Received, Target } from "../contestant.js";
import { makeText } from "../ledger.js";
import {
  beginWindow,
  createAlarm,
  type Findings,
  inTurn,
  type MeasureOptions,
  percentile,
  withServer,
} from "../stage.js";
import { makeWorkFolder } from "../work-folder.js";
import type { CatchUpLoad } from "../workloads.js";

const joinsAtOnce = 20;
const sendsAtOnce = 64;
const textBytes = 200;

/** W4: how long members that were away need until they have all they missed, connection included. */
export async function measureCatchUp(
  contestant: Contestant,
  workload: CatchUpLoad,
  { profileDir, progress = () => {} }: MeasureOptions,
): Promise<Findings> {
  using folder = makeWorkFolder();
  progress("starting the server");
  return await withServer(contestant.launch(folder.path, workload), profileDir, async (server) => {
    const { fail, failed } = createAlarm();
    progress("connecting");
    const sender = await contestant.join(server.ready, { userId: "sender", fail });
    const readers = Array.from({ length: workload.members }, (_, at) => createReader(`reader-${at}`, workload.missed));
    const members = await inTurn(
      readers.map(
        ({ userId, receive }) =>
          () =>
            contestant.join(server.ready, { userId, receive, fail }),
      ),
      joinsAtOnce,
    );
    const group = await sender.createGroup(readers.map(({ userId }) => userId));
    await Promise.all(members.map((member) => member.leave()));
    progress(`storing ${workload.missed} messages`);
    await Promise.race([sendAll(sender, group, workload.missed), failed]);
    const comeBack = async (at: number): Promise<number> => {
      const startedAt = performance.now();
      await members[at]?.comeBack(group);
      await readers[at]?.complete;
      return performance.now() - startedAt;
    };
    progress("warming up");
    const warmUps = Math.floor(members.length / 4);
    for (let at = 0; at < warmUps; at += 1) await Promise.race([comeBack(at), failed]);
    progress("measuring");
    const endWindow = beginWindow(server);
    const times: number[] = [];
    for (let at = warmUps; at < members.length; at += 1) times.push(await Promise.race([comeBack(at), failed]));
    const used = endWindow();
    progress("checking");
    for (const { check } of readers) check();
    await Promise.all([sender, ...members].map((member) => member.close()));
    const each = (seconds: number): number => (seconds * 1_000) / times.length;
    return {
      figures: {
        p50Ms: percentile(times, 0.5),
        p99Ms: percentile(times, 0.99),
        cpu: each(used.serverSeconds),
        clientCpu: each(used.clientSeconds),
        rssMiB: used.rssMiB,
      },
      checked: members.length * workload.missed,
      windowMicros: used.windowMicros,
    };
  });
}

async function sendAll(sender: Member, group: Target, count: number): Promise<void> {
  const numbers = Array.from({ length: count }, (_, at) => at + 1);
  await inTurn(
    numbers.map((number) => () => sender.send(group, makeText(number, textBytes), randomUUID())),
    sendsAtOnce,
  );
}

/** Hears the messages of one member; each place must come once and in order. */
function createReader(userId: string, missed: number) {
  let last = 0;
  let wrong: string | undefined;
  let finish: () => void = () => {};
  const complete = new Promise<void>((resolve) => {
    finish = resolve;
  });
  return {
    userId,
    complete,
    receive({ sequence }: Received) {
      if (sequence !== last + 1) wrong ??= `place ${sequence} after ${last}`;
      last = sequence;
      if (last >= missed) finish();
    },
    check() {
      if (wrong !== undefined || last !== missed) {
        throw new Error(`${userId} has ${last} of ${missed} messages: ${wrong ?? "lost or doubled"}`);
      }
    },
  };
}
