import { type ChatMessage, createClient, group, user } from "@parley/client";
import type { Contestant } from "../contestant.js";
import { developmentApp, launchParley } from "./parley-server.js";

/** The SDK as an application uses it: every user has a stream, the senders too, and the outbox batches by itself. */
export const parleySdk: Contestant = {
  name: "Parley SDK (@parley/client)",
  server: "parley",
  keepsOrder: true,
  suits: () => true,
  launch: launchParley,
  async join(server, { userId, receive, fail }) {
    const client = createClient({ baseUrl: server.url, ...developmentApp(server), autoReconnect: false });
    client.on("disconnected", fail);
    client.on("error", fail);
    if (receive) {
      const tell = ({ seq: sequence, content }: ChatMessage): void =>
        receive({ sequence, text: content?.content.case === "text" ? content.content.value.text : "" });
      client.on("friendMessage", tell);
      client.on("groupMessage", tell);
      client.on("ownMessage", tell);
    }
    await client.login({ bareId: userId });
    if (client.state.name !== "live" && client.state.name !== "replaying") {
      throw new Error(`${userId} has no stream: ${client.state.name}`);
    }
    return {
      userId,
      async send({ kind, id }, text, clientMessageId) {
        const receiver = kind === "user" ? user(id) : group(id);
        const stored = await client.messages.send(receiver, { text }, { clientMessageId }).stored;
        return stored.seq;
      },
      async createGroup(others) {
        const { groupId } = await client.groups.create({ name: "bench", memberUserIds: others });
        return { kind: "group", id: groupId };
      },
      close: () => client.close(),
    };
  },
};
