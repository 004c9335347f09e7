import { type View, views } from "./columns.js";

interface Common extends View {
  readonly name: string;
  readonly title: string;
  /** Takes long or much memory: measured by its full name or with --all only. */
  readonly big: boolean;
}

/** `channels` senders, each keeping `inFlight` texts under way to its `receivers`. */
export interface SendLoad extends Common {
  readonly kind: "send";
  readonly channels: number;
  readonly inFlight: number;
  /** The users that receive each message. In a group the sender is one of them. */
  readonly receivers: number;
  readonly group: boolean;
  readonly textBytes: number;
  /** The unit of the CPU figure. */
  readonly costPer: { readonly what: "messages" | "deliveries"; readonly count: number };
}

/** Sessions that are connected and do nothing. */
export interface IdleLoad extends Common {
  readonly kind: "idle";
  readonly sessions: number;
}

/** Members of a group that come back, one after the other, to so many messages that they missed. */
export interface CatchUpLoad extends Common {
  readonly kind: "catch-up";
  readonly missed: number;
  readonly members: number;
}

/** Pages of a conversation with so many stored messages, each before a time anywhere in it. */
export interface PagesLoad extends Common {
  readonly kind: "pages";
  readonly stored: number;
  readonly pageSize: number;
  readonly readers: number;
  readonly inFlight: number;
}

/** Starts of a server with so many stored messages. */
export interface StartLoad extends Common {
  readonly kind: "start";
  readonly stored: number;
}

/** Everything at once: what users of a messenger do in a day. */
export interface DayLoad extends Common {
  readonly kind: "day";
  readonly users: number;
  readonly groupSize: number;
  readonly inFlight: number;
}

export type Workload = SendLoad | IdleLoad | CatchUpLoad | PagesLoad | StartLoad | DayLoad;

const perMessages = { what: "messages", count: 1_000 } as const;
const perDeliveries = { what: "deliveries", count: 100_000 } as const;
const usual = { textBytes: 200, big: false };
const big = { big: true };
const count = (number: number): string => number.toLocaleString("en");

function pairs(channels: number, inFlight: number, { textBytes, big }: { textBytes: number; big: boolean } = usual) {
  const texts = textBytes === usual.textBytes ? "" : ` of ${textBytes / 1024} KiB`;
  return {
    kind: "send",
    name: `W1-${channels}x${inFlight}${textBytes === usual.textBytes ? "" : `-${textBytes / 1024}k`}`,
    title: `${channels} ${channels === 1 ? "pair" : "pairs"}, ${inFlight} in flight each${texts && `, texts${texts}`}`,
    ...views.messages,
    headline: channels === 1 ? "p50Ms" : inFlight === 1 ? "cpu" : "perSecond",
    big,
    channels,
    inFlight,
    receivers: 1,
    group: false,
    textBytes,
    costPer: perMessages,
  } as const satisfies SendLoad;
}

function group(receivers: number, inFlight: number, { big } = usual) {
  return {
    kind: "send",
    name: `W2-${receivers}`,
    title: `a group of ${count(receivers)}, one sender with ${inFlight} in flight`,
    ...views.deliveries,
    big,
    channels: 1,
    inFlight,
    receivers,
    group: true,
    textBytes: usual.textBytes,
    costPer: perDeliveries,
  } as const satisfies SendLoad;
}

function idle(sessions: number, { big } = { big: false }): IdleLoad {
  const title = `${count(sessions)} sessions that come back and are idle`;
  return { kind: "idle", name: `W3-${sessions}`, title, ...views.idle, big, sessions };
}

function catchUp(missed: number, members: number): CatchUpLoad {
  const title = `${members} members of a group come back one by one to ${count(missed)} missed messages`;
  const name = `W4-${missed}`;
  return { kind: "catch-up", name, title, ...views.catchUp, big: false, missed, members };
}

function pages(stored: number, { big } = { big: false }): PagesLoad {
  return {
    kind: "pages",
    name: `W5-${stored}`,
    title: `the latest 10 of ${count(stored)} messages before a time, 8 readers with 8 in flight`,
    ...views.pages,
    big,
    stored,
    pageSize: 10,
    readers: 8,
    inFlight: 8,
  };
}

function start(stored: number, { big } = { big: false }): StartLoad {
  const title = `a start with ${count(stored)} stored messages`;
  return { kind: "start", name: `start-${stored}`, title, ...views.start, big, stored };
}

function day(users: number, inFlight: number): DayLoad {
  const title = `${users} users: messages to friends, groups and rooms, pages, reads, presence, coming and going; ${inFlight} in flight`;
  return {
    kind: "day",
    name: `day-${users}`,
    title,
    ...views.day,
    big: false,
    users,
    groupSize: 20,
    inFlight,
  };
}

export const workloads: readonly Workload[] = [
  pairs(1, 1),
  pairs(2, 32, { ...usual, ...big }),
  pairs(50, 1),
  pairs(50, 32),
  pairs(50, 32, { textBytes: 4096, ...big }),
  pairs(100, 1, { ...usual, ...big }),
  pairs(100, 32, { ...usual, ...big }),
  group(50, 8, { ...usual, ...big }),
  group(500, 8),
  group(5_000, 8, { ...usual, ...big }),
  idle(1_000),
  idle(10_000, big),
  catchUp(1_000, 60),
  pages(10_000, big),
  pages(100_000),
  pages(1_000_000, big),
  start(100_000),
  start(1_000_000, big),
  day(200, 50),
];

/** The smallest loads, for the smoke test. */
export const smallest: readonly Workload[] = [
  pairs(2, 4),
  group(3, 2),
  idle(20),
  catchUp(30, 4),
  pages(500),
  start(500),
  day(20, 4),
];
