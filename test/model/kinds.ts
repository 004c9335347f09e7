import type { Device } from "./device.js";
import type { Scene } from "./scene.js";
import type { Place, Send } from "./state.js";

/** One kind of command: how often it comes, when it can be done, and what it does in the model and in truth. */
export interface Kind {
  weight: number;
  can?(scene: Scene, args: Args): boolean;
  run(scene: Scene, args: Args): Promise<void>;
}

/** Numbers that a command makes its choices by. */
export type Args = readonly [number, number, number, number];

export const STRANGER = "nobody-knows";

export const pick = <T>(from: readonly T[], at: number): T => {
  const found = from[at % from.length];
  if (found === undefined) throw new Error("nothing to pick from");
  return found;
};
export const userOf = (scene: Scene, at: number): string => pick(scene.users, at);
/** A user, and now and then one that does not exist. */
export const anyone = (scene: Scene, at: number): string => (at % 23 === 22 ? STRANGER : userOf(scene, at));
export const some = (scene: Scene, at: number): string[] => scene.users.filter((_, i) => ((at >> i) & 1) === 1);
/** Some of the users, at least one. */
export const atLeastOne = (scene: Scene, at: number): string[] => {
  const chosen = some(scene, at);
  return chosen.length === 0 ? [anyone(scene, at)] : chosen;
};

/** The groups or rooms that there are or were. */
export const placesOf = (scene: Scene, kind: Place["kind"]): string[] =>
  Object.values(scene.world.places)
    .filter((place) => place.kind === kind)
    .map((place) => place.id);
/** One of the newest of them, so that much happens in each, and now and then one that never was. */
export const placeAt = (scene: Scene, kind: Place["kind"], at: number): string =>
  at % 31 === 30 ? "019a0000-0000-7000-8000-000000000000" : pick(placesOf(scene, kind).slice(-2), at);
export const hasPlace = (kind: Place["kind"]) => (scene: Scene) => placesOf(scene, kind).length > 0;

export const receiverAt = (scene: Scene, a: number, b: number): string =>
  a % 3 > 0 && hasPlace("group")(scene) ? `group:${placeAt(scene, "group", b)}` : `user:${anyone(scene, b)}`;

export const newSend = (scene: Scene, sender: string, receiver: string): Send => {
  scene.keys += 1;
  return { sender, receiver, key: `k${scene.keys}`, words: `words ${scene.keys}`, replyTo: "" };
};
export const loggedIn = (scene: Scene): Device[] => scene.devices.filter((device) => device.loggedIn);
export const live = (scene: Scene): Device[] => scene.devices.filter((device) => device.live);
export const good = (scene: Scene, device: Device): boolean => scene.world.sessions[device.session] === device.user;

export function onDevice(
  weight: number,
  of: (scene: Scene) => Device[],
  run: (scene: Scene, device: Device, args: Args) => Promise<void>,
): Kind {
  return {
    weight,
    can: (scene) => of(scene).length > 0,
    run: (scene, args) => run(scene, pick(of(scene), args[0]), args),
  };
}

/** Who does something with a place: its owner, one of its members, or anybody. */
export function actorAt(scene: Scene, kind: Place["kind"], id: string, at: number): string {
  const place = scene.world.places[`${kind.slice(0, 1)}:${id}`];
  const members = scene.world.members(`${kind.slice(0, 1)}:${id}`).map((stay) => stay.user);
  if (place === undefined || members.length === 0 || at % 3 === 0) return userOf(scene, at);
  return at % 3 === 1 ? place.owner : pick(members, at);
}
