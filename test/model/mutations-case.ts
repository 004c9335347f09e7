import { backend, operator, type Rpc, type TestServer, type TestUser } from "../support/index.js";
import { must } from "../support/messaging.js";

/** Three users who do not know each other, and those who may act for or above them. */
export interface World {
  server: TestServer;
  tom: TestUser;
  jerry: TestUser;
  spike: TestUser;
  backend: Rpc & { as(userId: string): Rpc };
  operator: Rpc["operator"];
}

export function worldOf(server: TestServer, [tom, jerry, spike]: readonly TestUser[]): World {
  const users = { tom: must(tom), jerry: must(jerry), spike: must(spike) };
  return { server, ...users, backend: backend(server), operator: operator(server) };
}

/** One mutation in one situation. */
export interface Case {
  rpc: string;
  what: string;
  /** How many durable events the users get, all together. */
  events: number;
  /** How many of the users are watched. */
  watched: number;
  /** Makes the situation and gives the call that is looked at. */
  prepare: (world: World) => Promise<() => Promise<unknown>>;
}

/** A list of cases to be filled. */
export function caseList() {
  const cases: Case[] = [];
  const mutation = (rpc: string, what: string, events: number, prepare: Case["prepare"], watched = 3) =>
    void cases.push({ rpc, what, events, watched, prepare });
  return {
    cases,
    mutation,
    /** By its nature it tells nobody: what it changes is nothing that another client shows. */
    silent: (rpc: string, prepare: Case["prepare"], what = "tells nobody") => mutation(rpc, what, 0, prepare, 1),
  };
}

export const befriend = (a: TestUser, b: TestUser) => a.rpc.friend.addFriend({ userId: b.userId });
export const data = (value: string) => ({ value });

/** Calls once, so that the call that is looked at is a repeat. */
export const repeated = async (call: () => Promise<unknown>) => {
  await call();
  return call;
};
