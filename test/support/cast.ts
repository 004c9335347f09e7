import { type Client, createClient, createServiceClient, type ServiceClient } from "@parley/client";
import { eventually } from "./eventually.js";
import { must, otherApp } from "./messaging.js";
import type { TestServer } from "./server.js";

/** Tom, Jerry and Spike, live in an app of their own that knows Bob too. Tom and Jerry are friends, and members of a group and a room of Tom's. */
export interface Cast {
  app: TestServer;
  tom: Client;
  jerry: Client;
  spike: Client;
  backend: ServiceClient;
  groupId: string;
  roomId: string;
  /** Closes clients, those that were handed over too. */
  close(): Promise<void>;
  /** Takes a client to be closed with the others. */
  adopt(client: Client | ServiceClient): void;
}

export async function gatherCast(server: TestServer): Promise<Cast> {
  const app = await otherApp(server);
  const backend = createServiceClient({ baseUrl: app.url, serviceKey: app.serviceKey });
  await backend.admin.upsertUsers(["Tom", "Jerry", "Spike", "Bob"].map((userId) => ({ userId, displayName: userId })));
  const all: (Client | ServiceClient)[] = [backend];
  const [tom, jerry, spike] = ["Tom", "Jerry", "Spike"].map(() => newClient(app)) as [Client, Client, Client];
  all.push(tom, jerry, spike);
  await Promise.all([tom.login({ bareId: "Tom" }), jerry.login({ bareId: "Jerry" }), spike.login({ bareId: "Spike" })]);
  for (const client of [tom, jerry, spike]) await live(client);
  await tom.friends.add("Jerry");
  const { groupId } = await tom.groups.create({ name: "Tom's group", memberUserIds: ["Jerry"] });
  const { roomId } = await tom.rooms.create({ name: "Tom's room", memberUserIds: ["Jerry"] });
  return {
    app,
    tom,
    jerry,
    spike,
    backend,
    groupId,
    roomId,
    adopt: (client) => void all.push(client),
    close: async () => {
      await Promise.all(all.map((client) => client.close()));
    },
  };
}

/** A client of the app in which nobody is logged in. */
export function newClient({ url: baseUrl, appId, clientKey }: TestServer): Client {
  return createClient({ baseUrl, appId, clientKey });
}

/** Waits until a client hears everything as it happens. */
export async function live(client: Client | undefined): Promise<void> {
  await eventually(() => {
    if (must(client).state.name !== "live") throw new Error(`the client is ${client?.state.name}`);
  });
}
