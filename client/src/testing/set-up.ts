import type { ChatMessage } from "@parley/proto/parley/v1/chat_message_pb.js";
import { buildClient } from "../client.js";
import type { ClientOptions } from "../client-options.js";
import { createFakeClock } from "./fake-clock.js";
import { createFakeServer, type FakeServer } from "./fake-server.js";

/** The text of a message. */
export function textOf(message: ChatMessage): string {
  return message.content?.content.case === "text" ? message.content.content.value.text : "";
}

/** A client, a server in memory and a clock that a test moves; the client notes what it is told. */
export function setUp(options: Partial<ClientOptions> = {}, server: FakeServer = createFakeServer()) {
  const clock = createFakeClock();
  const client = buildClient(
    { baseUrl: "http://parley.test/", appId: "app", clientKey: "key", clock, ...options },
    server.platform,
  );
  const texts: string[] = [];
  const states: string[] = [];
  const errors: unknown[] = [];
  client.on("friendMessage", (message) => void texts.push(textOf(message)));
  client.on("state", ({ name }) => void states.push(name));
  client.on("error", (error) => void errors.push(error));
  return { server, clock, client, texts, states, errors };
}
