import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { ChangeKind, EventKind, StreamEventSchema } from "@parley/proto/parley/v1/stream_event_pb.js";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { LogEvent } from "../ports.js";
import type { Stay } from "../store/log.js";
import { createRoutes } from "./routes.js";

const PLACES = ["g:a", "r:b"];
const USERS = ["tom", "ann", "bob"];

type Change = "create" | "join" | "leave" | "dissolve" | "talk";
type Command =
  | { do: "commit"; change: Change; place: number; users: number[] }
  | { do: "route" }
  | { do: "add"; user: number }
  | { do: "read" | "load" | "remove"; which: number };

const commit = (changes: Change[]): fc.Arbitrary<Command> =>
  fc.record({
    do: fc.constant("commit" as const),
    change: fc.constantFrom(...changes),
    place: fc.nat(PLACES.length - 1),
    users: fc.uniqueArray(fc.nat(USERS.length - 1), { minLength: 1 }),
  });
const others: fc.Arbitrary<Command> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ do: fc.constant("route" as const) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("add" as const), user: fc.nat(USERS.length - 1) }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constantFrom("read" as const, "load" as const), which: fc.nat(5) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("remove" as const), which: fc.nat(5) }) },
);

interface Listener {
  name: string;
  user: string;
  /** The stays as of its read, once there was one. */
  read: Stay[] | undefined;
  resolve(stays: Stay[]): void;
  loaded: boolean;
  heard: number[];
}

/** The database, the log and the index over it, beside the fold of the log that the index must equal. */
function createWorld() {
  const stays: { user: string; stay: Stay }[] = [];
  const log: LogEvent[] = [];
  const folds: ((members: Map<string, Set<string>>) => void)[] = [];
  const members = new Map(PLACES.map((place) => [place, new Set<string>()] as const));
  const listeners: Listener[] = [];
  let [watermark, made] = [0, 0];
  const routes = createRoutes<Listener>(() => watermark);
  const here = (place: string) => stays.filter(({ stay }) => stay.place === place && stay.leftPos === null);

  const add = (change: Change, place: string, users: string[]) => {
    const event = makeEvent(log.length + 1, change, place, users);
    log.push(event);
    folds.push((all) => {
      const set = all.get(place) as Set<string>;
      if (change === "create" || change === "join") for (const user of users) set.add(user);
      if (change === "leave") for (const user of users) set.delete(user);
      if (change === "dissolve") set.clear();
    });
    if (change === "create" || change === "join")
      for (const user of users) stays.push({ user, stay: { place, joinedPos: event.pos, leftPos: null } });
    if (change === "leave")
      for (const { user, stay } of here(place)) if (users.includes(user)) stay.leftPos = event.pos;
    if (change === "dissolve") {
      const last = here(place);
      for (const entry of stays.filter(({ stay }) => stay.place === place))
        if (!last.includes(entry)) stays.splice(stays.indexOf(entry), 1);
      for (const { stay } of last) Object.assign(stay, { joinedPos: event.pos, leftPos: event.pos + 1 });
    }
  };

  /** Routes the next event of the log, and checks who heard it. */
  const route = () => {
    const event = log[watermark];
    if (event === undefined) return;
    const before = new Map([...members].map(([place, set]) => [place, new Set(set)]));
    folds[watermark]?.(members);
    watermark += 1;
    const told: Listener[] = [];
    routes.route(event, (listener) => told.push(listener));
    if (new Set(told).size !== told.length) expect.fail("told twice");
    const hears = ({ user }: Listener) =>
      event.audiences.includes(`u:${user}`) ||
      event.audiences.some(
        (place) => before.get(place)?.has(user) && (members.get(place)?.has(user) || isEnd(event)),
      ) ||
      event.audiences.some((place) => members.get(place)?.has(user));
    // Who has not yet loaded its stays reads the log and is not live.
    for (const listener of listeners.filter((one) => one.loaded))
      if (told.includes(listener) !== hears(listener))
        expect.fail(`${listener.name} ${hears(listener) ? "misses" : "overhears"} ${event.pos}`);
  };

  return {
    routes,
    async run(command: Command, lag: boolean) {
      if (command.do === "commit") {
        const place = PLACES[command.place] as string;
        const present = here(place).map(({ user }) => user);
        const named = command.users.map((at) => USERS[at] as string);
        // The first to join a place make it.
        const change = command.change === "join" && present.length === 0 ? "create" : command.change;
        if (present.length === 0 && change !== "create") return;
        const users = named.filter((user) => present.includes(user) === (change === "leave"));
        if (users.length === 0 && change !== "talk" && change !== "dissolve") return;
        add(change, place, users);
        if (!lag) route();
      } else if (command.do === "route") route();
      else if (command.do === "add") {
        const user = USERS[command.user] as string;
        const name = `${user}#${++made}`;
        const listener: Listener = { name, user, read: undefined, resolve: () => {}, loaded: false, heard: [] };
        listeners.push(listener);
        const load = new Promise<Stay[]>((resolve) => {
          listener.resolve = resolve;
        });
        void routes.add(listener, user, ["*", `u:${user}`], () => load);
      } else {
        const open = command.do === "remove" ? listeners : listeners.filter(({ loaded }) => !loaded);
        const listener = open[command.which % Math.max(1, open.length)];
        if (listener === undefined) return;
        if (command.do === "remove") {
          routes.remove(listener);
          listeners.splice(listeners.indexOf(listener), 1);
          listener.resolve([]);
        } else if (command.do === "read") {
          // As the database answers at this moment, which a lagging watermark has not reached.
          listener.read ??= stays.filter(({ user }) => user === listener.user).map(({ stay }) => ({ ...stay }));
        } else if (listener.read !== undefined) {
          listener.resolve(listener.read);
          await new Promise((resolve) => setImmediate(resolve));
          listener.loaded = true;
        }
      }
    },
    check() {
      for (const place of PLACES) {
        const expected = listeners.filter(({ loaded, user }) => loaded && members.get(place)?.has(user));
        const actual = [...(routes.listeners(place) ?? [])].filter(({ loaded }) => loaded);
        const names = (all: Listener[]) =>
          all
            .map(({ name }) => name)
            .sort()
            .join();
        if (names(actual) !== names(expected)) expect(names(actual), place).toBe(names(expected));
      }
    },
    async empty() {
      for (const listener of [...listeners]) await this.run({ do: "remove", which: listeners.indexOf(listener) }, true);
      for (const audience of ["*", ...PLACES, ...USERS.map((user) => `u:${user}`)])
        expect(routes.listeners(audience)).toBeUndefined();
    },
  };
}

const isEnd = (event: LogEvent) => event.kind === EventKind.GROUP_CHANGED || event.kind === EventKind.ROOM_CHANGED;

function makeEvent(pos: number, change: Change, place: string, users: string[]): LogEvent {
  const [group, id] = [place.startsWith("g:"), place.slice(2)];
  const told = change === "leave" ? users.map((user) => `u:${user}`) : [];
  const kinds = {
    create: ChangeKind.ADDED,
    join: ChangeKind.ADDED,
    leave: ChangeKind.REMOVED,
    dissolve: ChangeKind.REMOVED,
  };
  let kind: EventKind = EventKind.MESSAGE_CREATED;
  let event: MessageInitShape<typeof StreamEventSchema>["event"] = { case: undefined };
  if (change === "join" || change === "leave") {
    const value = { change: kinds[change], userIds: users };
    kind = group ? EventKind.GROUP_MEMBER_CHANGED : EventKind.ROOM_MEMBER_CHANGED;
    event = group
      ? { case: "groupMemberChanged", value: { ...value, groupId: id } }
      : { case: "roomMemberChanged", value: { ...value, roomId: id } };
  } else if (change !== "talk") {
    kind = group ? EventKind.GROUP_CHANGED : EventKind.ROOM_CHANGED;
    const made = change === "create" ? { memberUserIds: users } : {};
    event = group
      ? { case: "groupChanged", value: { groupId: id, change: kinds[change], group: made } }
      : { case: "roomChanged", value: { roomId: id, change: kinds[change], room: made } };
  }
  const payload = toBinary(StreamEventSchema, create(StreamEventSchema, { kind, event }));
  return { pos, kind, payload, audiences: [place, ...told] };
}

describe("routes", () => {
  test("the listeners of every place are a fold of the log, whenever stays are read and loaded", async () => {
    const commands = fc.array(fc.oneof(commit(["join", "leave", "dissolve", "talk"]), others, others), {
      maxLength: 40,
      size: "max",
    });
    await fc.assert(
      fc.asyncProperty(commands, async (all) => {
        const world = createWorld();
        for (const command of all) {
          await world.run(command, false);
          world.check();
        }
        await world.empty();
      }),
      { numRuns: 250 },
    );
  });

  test("stays read ahead of a watermark that lags are taken as of the watermark", async () => {
    const commands = fc.array(fc.oneof(commit(["join", "leave", "talk"]), others, others), {
      maxLength: 40,
      size: "max",
    });
    await fc.assert(
      fc.asyncProperty(commands, async (all) => {
        const world = createWorld();
        // Whom each event is told to is checked as it is routed.
        for (const command of all) await world.run(command, true);
        await world.empty();
      }),
      { numRuns: 400 },
    );
  });

  test("a load of stays that fails leaves nothing behind once the listener is removed", async () => {
    const routes = createRoutes<object>(() => 0);
    const listener = {};
    await expect(routes.add(listener, "tom", ["*"], () => Promise.reject(new Error("no")))).rejects.toThrow("no");
    routes.remove(listener);
    expect(routes.listeners("*")).toBeUndefined();
  });
});
