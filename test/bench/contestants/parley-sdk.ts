import { type ChatMessage, type Client, createClient, group, user } from "@parley/client";
import type { Contestant, JoinOptions, Target } from "../contestant.js";
import type { ReadyLine } from "../server-process.js";
import { toReceived } from "./parley-receiver.js";
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
    const { client, leave, comeBack } = await open(server, options);
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
      leave,
      comeBack,
      close: () => client.close(),
    };
  },
  // Its sessions are made when they connect.
  enrol: async (_server, userIds) => userIds.map((userId) => ({ userId, token: "" })),
  async attend(server, { userId }, fail) {
    const { client } = await open(server, { userId, fail });
    return { close: () => void client.close() };
  },
  seed: seedParley,
};

/** A client that is logged in and has a stream. A server behind its work may refuse that for a while; the SDK asks again by itself. */
async function open(server: ReadyLine, { userId, receive, fail }: JoinOptions) {
  const client = createClient({ baseUrl: server.url, ...developmentApp(server) });
  let online = false;
  client.on("disconnected", (error) => {
    if (online) fail(error);
  });
  client.on("error", fail);
  if (receive) {
    const tell = (message: ChatMessage): void => receive(toReceived(message));
    client.on("friendMessage", tell);
    client.on("groupMessage", tell);
    client.on("ownMessage", tell);
  }
  await client.login({ bareId: userId });
  await untilOnline(client);
  online = true;
  return {
    client,
    async leave() {
      online = false;
      await client.pause();
    },
    async comeBack() {
      await client.resume();
      await untilOnline(client);
      online = true;
    },
  };
}

function untilOnline(client: Client): Promise<void> {
  const isOnline = (): boolean => client.state.name === "live" || client.state.name === "replaying";
  if (isOnline()) return Promise.resolve();
  return new Promise((resolve) => {
    const stop = client.on("state", () => {
      if (!isOnline()) return;
      stop();
      resolve();
    });
  });
}

const toPeer = ({ kind, id }: Target) => (kind === "user" ? user(id) : group(id));
