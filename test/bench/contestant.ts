import type { LaunchPlan, ReadyLine } from "./server-process.js";
import type { Workload } from "./workloads.js";

/** Where a message goes. */
export interface Target {
  readonly kind: "user" | "group";
  readonly id: string;
}

/** A message as a receiver got it. */
export interface Received {
  /** The place in the conversation: 1, 2, 3, … */
  readonly sequence: number;
  readonly text: string;
}

/** A user with a connection. */
export interface Member {
  readonly userId: string;
  /** Resolves with the place in the conversation once the server has stored the message. */
  send(to: Target, text: string, clientMessageId: string): Promise<number>;
  /** Makes a group of this user and others. */
  createGroup(others: readonly string[]): Promise<Target>;
  close(): Promise<void>;
}

export interface JoinOptions {
  readonly userId: string;
  /** Called for each message to this user; absent: the user only sends. */
  readonly receive?: (message: Received) => void;
  /** Hears what goes wrong outside a call. */
  readonly fail: (error: unknown) => void;
}

/** One row of the table: a server and a client that speaks to it. */
export interface Contestant {
  readonly name: string;
  readonly server: "socket.io" | "parley";
  /** Whether a sender's messages are stored in the order of its calls; separate calls under way together may overtake each other. */
  readonly keepsOrder: boolean;
  /** Whether this row says something new under a workload. */
  suits(workload: Workload): boolean;
  launch(dataDir: string): LaunchPlan;
  join(server: ReadyLine, options: JoinOptions): Promise<Member>;
}
