import { type ChatMessage, type Client, createClient, group, user } from "@parley/client";
import type { Contestant, JoinOptions, Target } from "../contestant.js";
import type { ReadyLine } from "../server-process.js";
import { toReceived } from "./parley-member.js";
import { seedParley } from "./parley-seed.js";
import { allowGroupOf, developmentApp, launchParley } from "./parley-server.js";

/** Clients in one process that measure the server, and not themselves. */
const mostIdle = 1_000;

/** The SDK as an application uses it: every user has a stream, the senders too, and the outbox batches by itself. */
export const parleySdk: Contestant = {
  name: "Parley SDK (@parley/client)",
  server: "parley",
  keepsOrder: true,
  suits(workload) {
    if (workload.kind === "idle") return workload.sessions <= mostIdle;
    return workload.kind !== "start" && workload.kind !== "day";
  },
  launch: launchParley,
  async join(server, options) {
    const client = await open(server, options);
    return {
      userId: options.userId,
      async send(to, text, clientMessageId) {
        const stored = await client.messages.send(toPeer(to), { text }, { clientMessageId }).stored;
        return stored.seq;
      },
      async createGroup(others) {
        await allowGroupOf(server, others.length + 1);
        const { groupId } = await client.groups.create({ name: "bench", memberUserIds: others });
        return { kind: "group", id: groupId };
      },
      async page(of, beforeMs, pageSize) {
        const { messages } = await client.history.list(toPeer(of), { beforeTime: new Date(beforeMs), pageSize });
        return messages.map(toReceived);
      },
      leave: () => client.pause(),
      comeBack: () => client.resume(),
      close: () => client.close(),
    };
  },
  // Its sessions are made when they connect.
  enrol: async (_server, userIds) => userIds.map((userId) => ({ userId, token: "" })),
  async attend(server, { userId }, fail) {
    const client = await open(server, { userId, fail });
    return { close: () => void client.close() };
  },
  seed: seedParley,
};

/** A client that is logged in and has a stream. */
async function open(server: ReadyLine, { userId, receive, fail }: JoinOptions): Promise<Client> {
  const client = createClient({ baseUrl: server.url, ...developmentApp(server), autoReconnect: false });
  client.on("disconnected", fail);
  client.on("error", fail);
  if (receive) {
    const tell = (message: ChatMessage): void => receive(toReceived(message));
    client.on("friendMessage", tell);
    client.on("groupMessage", tell);
    client.on("ownMessage", tell);
  }
  await client.login({ bareId: userId });
  if (client.state.name !== "live" && client.state.name !== "replaying") {
    throw new Error(`${userId} has no stream: ${client.state.name}`);
  }
  return client;
}

const toPeer = ({ kind, id }: Target) => (kind === "user" ? user(id) : group(id));
