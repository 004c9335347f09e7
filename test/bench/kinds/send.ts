import type { Contestant } from "../contestant.js";
import { gather } from "../crew.js";
import { createLoad } from "../load.js";
import { beginWindow, type Findings, type MeasureOptions, pass, rateFigures, withServer } from "../stage.js";
import { makeWorkFolder } from "../work-folder.js";
import type { SendLoad } from "../workloads.js";

/** W1 and W2: messages under way all the time, each of them checked. */
export async function measureSends(
  contestant: Contestant,
  workload: SendLoad,
  { warmUpMs, measureMs, profileDir, progress = () => {} }: MeasureOptions,
): Promise<Findings> {
  using folder = makeWorkFolder();
  progress("starting the server");
  return await withServer(contestant.launch(folder.path, workload), profileDir, async (server) => {
    progress("connecting");
    const load = createLoad(workload, contestant.keepsOrder);
    const crew = await Promise.race([gather(contestant, workload, server.ready, load), load.failed]);
    progress("warming up");
    load.start(crew.channels);
    await pass(warmUpMs, load);
    progress("measuring");
    const before = load.completed;
    const endWindow = beginWindow(server);
    load.recording = true;
    await pass(measureMs, load);
    load.recording = false;
    const used = endWindow();
    const messages = load.completed - before;
    progress("checking");
    await Promise.race([load.stop(), load.failed]);
    await crew.close();
    if (messages === 0) throw new Error("nothing was done in the measured time");
    return {
      figures: { messages, ...rateFigures(messages, load.latencies, unitsOf(workload, messages), used) },
      checked: load.completed,
      windowMicros: used.windowMicros,
    };
  });
}

function unitsOf({ costPer: { what, count }, receivers }: SendLoad, messages: number): number {
  return (what === "messages" ? messages : messages * receivers) / count;
}
