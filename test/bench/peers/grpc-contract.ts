import { join } from "node:path";
import type { ServiceDefinition } from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import type { Told } from "./chat-store.js";

/** The calls of chat.proto, each with its request and its answer. */
export interface ChatCalls {
  Send: [{ to: string; text: string; clientId: string }, { seq: number; time: number }];
  CreateGroup: [{ members: string[] }, { id: string }];
  Missed: [{ of: string; after: number; limit: number }, { messages: Told[] }];
  Page: [{ of: string; before: number; limit: number }, { messages: Told[] }];
}

/** The service as grpc-js takes it. */
export function loadChat(): ServiceDefinition {
  const loaded = loadSync(join(import.meta.dirname, "chat.proto"), { defaults: true });
  return loaded["chat.Chat"] as ServiceDefinition;
}
