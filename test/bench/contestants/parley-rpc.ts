import type { Contestant } from "../contestant.js";
import type { Workload } from "../workloads.js";
import { attendParley } from "./parley-attend.js";
import { joinParleyDay } from "./parley-day.js";
import { enrolParley, joinParley, type Sending } from "./parley-member.js";
import { seedParley } from "./parley-seed.js";
import { launchParley } from "./parley-server.js";
import type { Protocol } from "./parley-transport.js";

/** The generated clients, bare: what a client in another language has. */
export function parleyRpc(protocol: Protocol, sending: Sending): Contestant {
  return {
    name: `Parley ${protocol} ${sending}`,
    server: "parley",
    keepsOrder: sending === "batched",
    suits: (workload) => suits(protocol, sending, workload),
    launch: launchParley,
    join: (server, options) => joinParley(server, options, protocol, sending),
    enrol: enrolParley,
    attend: (server, session, fail) => attendParley(server.url, session, protocol, fail),
    joinDay: (server, options) => joinParleyDay(server, options, protocol),
    seed: seedParley,
  };
}

function suits(protocol: Protocol, sending: Sending, workload: Workload): boolean {
  const plain = sending === "single";
  switch (workload.kind) {
    case "send":
      // One in flight leaves nothing to batch; of the single senders one shows what batching is worth.
      return workload.inFlight === 1 ? plain : !plain || (protocol === "connect-h2" && workload.channels <= 50);
    case "idle":
      // Its sessions speak plainly whatever the row.
      return plain && protocol !== "grpc-h2" && protocol !== "plain-h1";
    case "catch-up":
    case "pages":
      return plain;
    case "start":
      return plain && protocol === "connect-h2";
    case "day":
      return plain && protocol !== "grpc-h2";
  }
}
