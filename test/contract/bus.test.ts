import { connect } from "node:net";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { createMemoryBus } from "../../server/src/delivery/memory-bus.js";
import { createNatsBus, type NatsAddress } from "../../server/src/delivery/nats-bus.js";
import { systemClock } from "../../server/src/ops/clock.js";
import { createLogger } from "../../server/src/ops/logger.js";
import { createMetrics } from "../../server/src/ops/metrics.js";
import type { Bus, LogRange, TransientEvent } from "../../server/src/ports.js";
import { eventually } from "../support/index.js";
import { type NatsServer, natsInstalled, startNats } from "../support/nats.js";
import { createWire } from "../support/wire.js";

const RANGE_BYTES = 2_000;
const GENERATION = { generationId: "00000000000000ab", generationFirstPos: 1 };
const event = (pos: number, bytes = 10) => ({ pos, kind: 1, payload: Buffer.alloc(bytes, pos), audiences: ["u:tom"] });
const rangeOf = (first: number, count = 1, appId = "app"): LogRange => ({
  appId,
  ...GENERATION,
  events: Array.from({ length: count }, (_, at) => event(first + at)),
});
const transient = (audience: string, kind: number, appId = "app"): TransientEvent => ({
  appId,
  kind,
  payload: Buffer.from("hello"),
  audiences: [audience],
});

/** A node on a bus, and what it has heard. */
interface Heard {
  bus: Bus;
  all: string[];
  /** What others have published. */
  readonly others: string[];
}

function listen(bus: Bus): Heard {
  const all: string[] = [];
  const add = (own: boolean, ...what: unknown[]) => void all.push([own ? "own" : "other", ...what].join(" "));
  bus.subscribe({
    range: ({ appId, events }, own) => add(own, "range", appId, ...events.map(({ pos }) => pos)),
    doorbell: ({ appId, firstPos, lastPos }) => add(false, "bell", appId, `${firstPos}-${lastPos}`),
    transient: ({ appId, kind }, own) => add(own, "transient", appId, kind),
    signal: ({ appId, kind }, own) => add(own, "signal", appId, kind),
    state: (state) => void all.push(state),
  });
  return {
    bus,
    all,
    get others() {
      return all.filter((what) => what.startsWith("other ")).map((what) => what.slice("other ".length));
    },
  };
}

let marks = 0;

/** Waits until `to` has heard what `from` has published, and all that `from` follows is known where it matters. */
async function reach(from: Heard, to: Heard): Promise<void> {
  const mark = `mark-${++marks}`;
  const told = `signal any ${mark}`;
  await eventually(() => {
    from.bus.publishSignal({ appId: "any", kind: mark });
    return new Promise<void>((resolve, reject) =>
      setTimeout(() => (to.others.includes(told) ? resolve() : reject(new Error(`${mark} was not heard`))), 5),
    );
  });
}
const unmarked = ({ others }: Heard) => others.filter((what) => !what.startsWith("signal any mark-"));

const hasNats = natsInstalled("the bus over NATS");
let nats: NatsServer;
if (hasNats) {
  beforeAll(async () => {
    nats = await startNats();
  });
  afterAll(() => nats[Symbol.asyncDispose]());
}

const open = new Set<Bus>();
afterEach(async () => {
  for (const bus of open) await bus.close();
  open.clear();
});
const keep = (bus: Bus): Heard => {
  open.add(bus);
  return listen(bus);
};
const natsNode = (address: Partial<NatsAddress> = {}, metrics = createMetrics({ process: false })) =>
  keep(
    createNatsBus({
      address: { servers: [`127.0.0.1:${nats.port}`], tls: false, ...address },
      rangeBytes: RANGE_BYTES,
      clock: systemClock,
      logger: createLogger("silent"),
      metrics,
    }),
  );
const up = (node: Heard) => eventually(() => expect(node.bus.state()).toBe("up"));

const alone = { name: "memory", isThere: true, node: async () => keep(createMemoryBus()) };
const wired = {
  name: "memory, wired",
  isThere: true,
  node: (() => {
    const wire = createWire({ clock: systemClock, rangeBytes: RANGE_BYTES });
    return async () => keep(wire.node());
  })(),
};
const overNats = {
  name: "NATS",
  isThere: hasNats,
  async node() {
    const node = natsNode();
    await up(node);
    return node;
  },
};

describe.each([alone, wired, overNats])("the bus: $name", ({ isThere, node }) => {
  test.skipIf(!isThere)(
    "a node hears its own publications at once, in order, each once, whatever it follows",
    async () => {
      const { bus, all } = await node();
      all.length = 0;
      const own: string[] = [];
      const publish = (how: () => void, what: string) => {
        how();
        own.push(`own ${what}`);
        expect(all).toEqual(own);
      };
      publish(() => bus.publish(rangeOf(1, 2)), "range app 1 2");
      publish(() => bus.publishTransient(transient("r:den", 7)), "transient app 7");
      publish(() => bus.publishSignal({ appId: "app", kind: "changed" }), "signal app changed");
      bus.follow("app");
      bus.follow("app", "r:den");
      publish(() => bus.publish(rangeOf(3)), "range app 3");
      publish(() => bus.publishTransient(transient("r:den", 8)), "transient app 8");
      await new Promise((resolve) => setTimeout(resolve, 50));
      expect(all).toEqual(own);
    },
  );
});

describe.each([wired, overNats])("the bus between nodes: $name", ({ isThere, node }) => {
  const pair = async () => [await node(), await node()] as const;

  test.skipIf(!isThere)("what one publishes the other hears in order, as it was but for what is counted", async () => {
    const [a, b] = await pair();
    const ranges: LogRange[] = [];
    b.bus.subscribe({ range: (range) => void ranges.push(range) });
    b.bus.follow("app");
    await reach(b, a);
    const facts = { atMs: 1, senderId: "tom", content: "text", mediaBytes: 0 };
    a.bus.publish({ ...rangeOf(1, 2), events: [{ ...event(1), facts }, event(2)] });
    for (let pos = 3; pos < 50; pos++) a.bus.publish(rangeOf(pos));
    a.bus.publishTransient(transient("u:tom", 7));
    await eventually(() => expect(unmarked(b).at(-1)).toBe("transient app 7"));
    const alone = Array.from({ length: 47 }, (_, at) => `range app ${at + 3}`);
    expect(unmarked(b)).toEqual(["range app 1 2", ...alone, "transient app 7"]);
    expect(ranges[0]).toEqual(rangeOf(1, 2));
  });

  test.skipIf(!isThere)("an app is heard by those who follow it, as long as they do", async () => {
    const [a, b] = await pair();
    for (const _ of [1, 2]) b.bus.follow("app");
    await reach(b, a);
    a.bus.publish(rangeOf(1, 1, "other"));
    a.bus.publish(rangeOf(1));
    await reach(a, b);
    expect(unmarked(b)).toEqual(["range app 1"]);
    b.bus.unfollow("app");
    await reach(b, a);
    a.bus.publish(rangeOf(2));
    await reach(a, b);
    expect(unmarked(b)).toEqual(["range app 1", "range app 2"]);
    b.bus.unfollow("app");
    await reach(b, a);
    a.bus.publish(rangeOf(3));
    a.bus.publishTransient(transient("u:tom", 7));
    await reach(a, b);
    expect(unmarked(b)).toEqual(["range app 1", "range app 2"]);
  });

  test.skipIf(!isThere)("the talk of a room is heard by those who follow the room", async () => {
    const [a, b] = await pair();
    b.bus.follow("app");
    b.bus.follow("app", "r:den");
    await reach(b, a);
    const publish = () => {
      a.bus.publishTransient(transient("r:den", 1));
      a.bus.publishTransient(transient("r:hall", 2));
      a.bus.publishTransient(transient("g:team", 3));
      a.bus.publishTransient({ ...transient("r:hall", 4), audiences: ["r:hall", "u:tom"] });
    };
    publish();
    await reach(a, b);
    expect(unmarked(b)).toEqual(["transient app 1", "transient app 3", "transient app 4"]);
    b.bus.unfollow("app", "r:den");
    await reach(b, a);
    b.all.length = 0;
    publish();
    await reach(a, b);
    expect(unmarked(b)).toEqual(["transient app 3", "transient app 4"]);
  });

  test.skipIf(!isThere)("signals of every app are heard by all", async () => {
    const [a, b] = await pair();
    a.bus.publishSignal({ appId: "app", kind: "changed", which: ["x"] });
    await reach(a, b);
    expect(unmarked(b)).toEqual(["signal app changed"]);
  });

  test.skipIf(!isThere)("a large range rings", async () => {
    const [a, b] = await pair();
    b.bus.follow("app");
    await reach(b, a);
    a.bus.publish({ ...rangeOf(1), events: [event(1, RANGE_BYTES), event(2)] });
    await reach(a, b);
    expect(unmarked(b)).toEqual(["bell app 1-2"]);
  });

  test.skipIf(!isThere)("an id that is no word of a subject is an app like any other", async () => {
    const [a, b] = await pair();
    b.bus.follow("a.*.>");
    await reach(b, a);
    a.bus.publish(rangeOf(1, 1, "a.*.>"));
    a.bus.publishSignal({ appId: "a.*.>", kind: "changed" });
    await reach(a, b);
    expect(unmarked(b)).toEqual(["range a.*.> 1", "signal a.*.> changed"]);
  });
});

describe.skipIf(!hasNats)("the bus over NATS", () => {
  test("what nobody understands is counted and passed over", async () => {
    const metrics = createMetrics({ process: false });
    const [a, b] = [natsNode(), natsNode({}, metrics)];
    await Promise.all([up(a), up(b)]);
    b.bus.follow("app");
    await reach(b, a);
    const publish = (...bytes: number[]) =>
      `PUB parley.app.log ${bytes.length}\r\n${String.fromCharCode(...bytes)}\r\n`;
    const socket = connect(nats.port, "127.0.0.1");
    socket.write(
      `CONNECT {"verbose":false}\r\n${publish(1, 1, 0)}${publish(9, 1)}PUB parley.app.log 0\r\n\r\nPING\r\n`,
    );
    await eventually(async () => {
      const text = await metrics.text();
      expect(text).toContain('parley_bus_ignored_total{reason="malformed"} 2');
      expect(text).toContain('parley_bus_ignored_total{reason="version"} 1');
    });
    socket.destroy();
    a.bus.publish(rangeOf(1));
    await reach(a, b);
    expect(unmarked(b)).toEqual(["range app 1"]);
  });

  test("it comes back after the server was killed; meanwhile a node hears itself, and what it publishes is dropped", async () => {
    await using server = await startNats();
    const metrics = createMetrics({ process: false });
    const [a, b] = [
      natsNode({ servers: [`127.0.0.1:${server.port}`] }, metrics),
      natsNode({ servers: [`127.0.0.1:${server.port}`] }),
    ];
    await Promise.all([up(a), up(b)]);
    b.bus.follow("app");
    await reach(b, a);
    await server.stop();
    await eventually(() => expect([a.bus.state(), b.bus.state()]).toEqual(["down", "down"]));
    a.bus.publish(rangeOf(1));
    expect(a.all.at(-1)).toBe("own range app 1");
    expect(await metrics.text()).toContain('parley_bus_dropped_total{reason="down"} 1');
    b.bus.follow("late");
    await server.start();
    await Promise.all([up(a), up(b)]);
    expect(b.all.filter((what) => what === "up" || what === "down")).toEqual(["up", "down", "up"]);
    await reach(b, a);
    a.bus.publish(rangeOf(2));
    a.bus.publish(rangeOf(1, 1, "late"));
    await reach(a, b);
    expect(unmarked(b)).toEqual(["range app 2", "range late 1"]);
  });

  test("it starts before its server does", async () => {
    await using server = await startNats();
    await server.stop();
    const node = natsNode({ servers: [`127.0.0.1:${server.port}`] });
    node.bus.follow("app");
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(node.bus.state()).toBe("down");
    await server.start();
    await up(node);
    const other = natsNode({ servers: [`127.0.0.1:${server.port}`] });
    await up(other);
    await reach(node, other);
    other.bus.publish(rangeOf(1));
    await reach(other, node);
    expect(unmarked(node)).toEqual(["range app 1"]);
  });

  test("it is let in by its name and password, and by nothing less", async () => {
    await using server = await startNats({ user: "parley", password: "s3cret" });
    const servers = [`127.0.0.1:${server.port}`];
    const [wrong, right] = [
      natsNode({ servers, user: "parley", password: "other" }),
      natsNode({ servers, user: "parley", password: "s3cret" }),
    ];
    await up(right);
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(wrong.bus.state()).toBe("down");
  });
});
