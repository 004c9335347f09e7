import { randomUUID } from "node:crypto";
import type { DayPlace, DayUser } from "./contestant.js";
import type { DayLedger } from "./day-ledger.js";
import { makeText } from "./ledger.js";

/** A user with what it is in. */
export interface Inhabitant {
  readonly user: DayUser;
  readonly friends: readonly string[];
  /** The users of the group, and of the room. */
  readonly members: readonly string[];
  readonly group: DayPlace;
  readonly room: DayPlace;
}

type Action = (inhabitant: Inhabitant, ledger: DayLedger) => Promise<void>;

const textBytes = 200;
/** Who is coming back does not go away a second time meanwhile. */
const moving = new Set<string>();

/** How often of 100 each thing is done; streams are acknowledged once a second besides. */
const shares: readonly (readonly [number, Action])[] = [
  [30, (inhabitant, ledger) => send(inhabitant, friendOf(inhabitant), ledger)],
  [15, (inhabitant, ledger) => send(inhabitant, inhabitant.group, ledger)],
  [5, (inhabitant, ledger) => send(inhabitant, inhabitant.room, ledger)],
  [15, ({ user, group }) => user.read(group)],
  [15, ({ user, group }) => user.markRead(group)],
  [5, ({ user }) => user.listConversations()],
  [5, ({ user, friends }) => user.seePresence(friends)],
  [5, (inhabitant) => inhabitant.user.type(friendOf(inhabitant))],
  [5, turnUp],
];

/** One entry for each hundredth. */
export const actions: readonly Action[] = shares.flatMap(([share, action]) => new Array<Action>(share).fill(action));

export function pick<T>(from: readonly T[]): T {
  return from[Math.floor(Math.random() * from.length)] as T;
}

const friendOf = ({ friends }: Inhabitant): DayPlace => ({ kind: "user", id: pick(friends) });

async function send({ user, members }: Inhabitant, to: DayPlace, ledger: DayLedger): Promise<void> {
  const stored = await user.send(to, makeText(0, textBytes), randomUUID());
  ledger.acknowledge(stored, to.kind === "user" ? [user.userId, to.id] : members);
}

async function turnUp({ user }: Inhabitant): Promise<void> {
  if (moving.has(user.userId)) return;
  moving.add(user.userId);
  await user.turnUp();
  moving.delete(user.userId);
}
