import type { LaunchPlan, ReadyLine } from "./server-process.js";
import type { Workload } from "./workloads.js";

/** Where a message goes. */
export interface Target {
  readonly kind: "user" | "group";
  readonly id: string;
}

/** A message as a receiver got it. */
export interface Received {
  /** Which conversation, where the row tells; empty for what is not stored. */
  readonly conversation?: string;
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
  /** The newest `size` messages of a conversation before a time, rising. */
  page(of: Target, beforeMs: number, size: number): Promise<readonly Received[]>;
  /** Goes offline. What is sent meanwhile is missed. */
  leave(): Promise<void>;
  /** Connects again; `receive` is called for each message that was missed in the group. */
  comeBack(group: Target): Promise<void>;
  close(): Promise<void>;
}

export interface JoinOptions {
  readonly userId: string;
  /** Called for each message to this user; absent: the user only sends. */
  readonly receive?: (message: Received) => void;
  /** Hears what goes wrong outside a call. */
  readonly fail: (error: unknown) => void;
}

/** A session that does nothing but wait for messages. */
export interface IdleSession {
  close(): void;
}

/** What a device keeps between two connections. */
export interface Credential {
  readonly userId: string;
  readonly token: string;
}

/** A conversation of two users that is stored before the server under test starts. */
export interface Seed {
  readonly users: readonly [string, string];
  readonly stored: number;
  /** The time of the message at a place: 1, 2, 3, … */
  timeOf(sequence: number): number;
  readonly text: string;
  /** Hears how many are stored. */
  readonly progress: (stored: number) => void;
}

/** A user of the mixed day. */
export interface DayUser {
  readonly userId: string;
  /** Resolves with the conversation and the place in it. */
  send(to: DayPlace, text: string, clientMessageId: string): Promise<Received>;
  /** Reads the newest page. */
  read(of: DayPlace): Promise<void>;
  markRead(of: DayPlace): Promise<void>;
  listConversations(): Promise<void>;
  seePresence(of: readonly string[]): Promise<void>;
  type(to: DayPlace): Promise<void>;
  befriend(userId: string): Promise<void>;
  create(kind: "group" | "room", others: readonly string[]): Promise<DayPlace>;
  /** Goes offline and comes back to where the stream ended. */
  turnUp(): Promise<void>;
  close(): Promise<void>;
}

export interface DayPlace {
  readonly kind: "user" | "group" | "room";
  readonly id: string;
}

/** One row of the table: a server and a client that speaks to it. */
export interface Contestant {
  readonly name: string;
  readonly server: "socket.io" | "grpc-js" | "ejabberd" | "parley";
  /** Whether a sender's messages are stored in the order of its calls; separate calls under way together may overtake each other. */
  readonly keepsOrder: boolean;
  /** Whether this row says something new under a workload. */
  suits(workload: Workload): boolean;
  launch(dataDir: string, workload: Workload): LaunchPlan;
  join(server: ReadyLine, options: JoinOptions): Promise<Member>;
  /** Makes users with a session each, none of them connected. */
  enrol(server: ReadyLine, userIds: readonly string[]): Promise<readonly Credential[]>;
  /** Connects a session, which from then on is told of new messages. */
  attend(server: ReadyLine, session: Credential, fail: (error: unknown) => void): Promise<IdleSession>;
  /** Connects a user of the mixed day; only rows that it suits have it. */
  joinDay?(server: ReadyLine, options: Required<JoinOptions>): Promise<DayUser>;
  /** Fills a data folder. */
  seed(dataDir: string, seed: Seed): Promise<void>;
}
