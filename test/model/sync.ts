import { stored, storedLine } from "./database.js";
import type { Device } from "./device.js";
import type { Reference } from "./reference.js";
import type { Scene } from "./scene.js";
import type { Logged } from "./state.js";

const lineOf = ({ pos, line }: { pos: number; line: string }): string => `${pos} ${line}`;

/** The durable events that a device must have been handed since it was compared last. */
const expected = (world: Reference, device: Device): Logged[] =>
  world.visible(device.user, device.session, device.comparedPos);

/** What a world says against what a device was handed: nothing, that more must come, or that it is wrong. */
function verdict(world: Reference, device: Device): "whole" | "short" | string {
  const durable = compare(expected(world, device).map(lineOf), device.seen.slice(device.compared).map(lineOf));
  const spoken = world.spoken.slice(device.heardFrom).filter(({ users }) => users.includes(device.user));
  const transient = compare(
    spoken.map(({ line }) => line),
    device.heard,
  );
  if (durable !== "whole" && durable !== "short") return durable;
  return transient === "whole" ? durable : transient;
}

function compare(must: readonly string[], is: readonly string[]): string {
  const at = is.findIndex((line, i) => line !== must[i]);
  if (at >= 0) return `handed ${is[at]}\n  instead of ${must[at] ?? "nothing"}`;
  return is.length === must.length ? "whole" : "short";
}

/** Drops the worlds that contradict what the devices were handed so far. */
export function observe(scene: Scene, devices: readonly Device[]): void {
  for (const device of devices) {
    if (device.errors.length > 0) throw new Error(`device of ${device.user}: ${String(device.errors[0])}`);
    scene.keep(`the events of ${nameOf(scene, device)}`, (world) => {
      const said = verdict(world, device);
      return said === "whole" || said === "short" ? undefined : said;
    });
    device.comparedPos = device.seen.slice(device.compared).at(-1)?.pos ?? device.comparedPos;
    device.compared = device.seen.length;
  }
}

/** Waits until every live device has been handed all that it must, and drops the worlds that say otherwise. */
export async function sync(scene: Scene): Promise<void> {
  for (const device of scene.devices) {
    if (!device.live) continue;
    const done = () => {
      // An event counts as applied once its cursor is saved.
      const last = device.seen.slice(device.compared).at(-1);
      if (last !== undefined && device.posOf(device.cursor) < last.pos) return false;
      const verdicts = scene.worlds.map((world) => verdict(world, device));
      return verdicts.includes("whole") || !verdicts.includes("short");
    };
    if (!done())
      await device.until("its events", done).catch((error: unknown) => {
        const missing = expected(scene.world, device).slice(device.seen.length - device.compared);
        const spoken = scene.world.spoken.slice(device.heardFrom).filter(({ users }) => users.includes(device.user));
        throw new Error(
          `${nameOf(scene, device)}: ${String(error)}\n  still missing:\n  ${missing.map(lineOf).join("\n  ")}\n  heard ${device.heard.join(" ; ")}\n  of ${spoken.map(({ line }) => line).join(" ; ")}`,
        );
      });
    observe(scene, [device]);
  }
}

/** Looks which sends were stored, and in which order: that tells the worlds apart. */
export async function probe(scene: Scene): Promise<void> {
  if (scene.worlds.length === 1) return;
  scene.judge("what was stored", `ok ${await stored(scene)}`, (world) =>
    storedLine(
      world.head,
      [...world.messages].sort((a, b) => a.pos - b.pos),
    ),
  );
  // Those that are left differ in nothing.
  scene.worlds.length = 1;
}

export const nameOf = (scene: Scene, device: Device): string =>
  `device ${scene.devices.indexOf(device)} of ${device.user}`;
