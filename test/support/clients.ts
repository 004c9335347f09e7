import { randomUUID } from "node:crypto";
import { Agent } from "node:http";
import { type Client, createClient, type Interceptor, type Transport } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { AdminService } from "@parley/proto/parley/v1/admin_service_pb.js";
import { AttachmentService } from "@parley/proto/parley/v1/attachment_service_pb.js";
import { AuthService } from "@parley/proto/parley/v1/auth_service_pb.js";
import { ConversationService } from "@parley/proto/parley/v1/conversation_service_pb.js";
import { FriendService } from "@parley/proto/parley/v1/friend_service_pb.js";
import { GroupService } from "@parley/proto/parley/v1/group_service_pb.js";
import { HistoryService } from "@parley/proto/parley/v1/history_service_pb.js";
import { InstallationService } from "@parley/proto/parley/v1/installation_service_pb.js";
import { MessageService } from "@parley/proto/parley/v1/message_service_pb.js";
import { OperatorService } from "@parley/proto/parley/v1/operator_service_pb.js";
import { RoomService } from "@parley/proto/parley/v1/room_service_pb.js";
import { ServerService } from "@parley/proto/parley/v1/server_service_pb.js";
import { UserService } from "@parley/proto/parley/v1/user_service_pb.js";
import { NODES } from "./cluster.js";
import type { TestServer } from "./server.js";

export type Address = Pick<TestServer, "url" | "appId" | "clientKey" | "serviceKey">;

/** The generated clients, bare: what a user of another SDK would have. */
export type Rpc = ReturnType<typeof rpcOver>;

/** A user with a session. */
export interface TestUser {
  userId: string;
  token: string;
  sessionId: string;
  rpc: Rpc;
}

export interface Headers {
  authorization?: string;
  "parley-acting-user"?: string;
}

/** On a cluster each call has a connection of its own, so that no two that follow each other go to the same node. */
const EACH_ITS_OWN = new Agent({ keepAlive: false });

export function transportTo(url: string, headers: Headers = {}, httpVersion: "1.1" | "2" = "1.1"): Transport {
  const addHeaders: Interceptor = (next) => (request) => {
    for (const [name, value] of Object.entries(headers)) request.header.set(name, value);
    return next(request);
  };
  const options = { baseUrl: url, interceptors: [addHeaders], useBinaryFormat: true };
  if (httpVersion === "2") return createConnectTransport({ ...options, httpVersion });
  return createConnectTransport({
    ...options,
    httpVersion,
    ...(NODES > 1 && { nodeOptions: { agent: EACH_ITS_OWN } }),
  });
}

export function rpcOver(transport: Transport) {
  return {
    admin: createClient(AdminService, transport),
    attachment: createClient(AttachmentService, transport),
    auth: createClient(AuthService, transport),
    conversation: createClient(ConversationService, transport),
    friend: createClient(FriendService, transport),
    group: createClient(GroupService, transport),
    history: createClient(HistoryService, transport),
    installation: createClient(InstallationService, transport),
    message: createClient(MessageService, transport),
    operator: createClient(OperatorService, transport),
    room: createClient(RoomService, transport),
    server: createClient(ServerService, transport),
    user: createClient(UserService, transport),
  };
}

/** Clients without a token. */
export function anonymous(server: Pick<TestServer, "url">): Rpc {
  return rpcOver(transportTo(server.url));
}

/** Clients with a token. */
export function withToken(server: Pick<TestServer, "url">, token: string): Rpc {
  return rpcOver(transportTo(server.url, { authorization: `Bearer ${token}` }));
}

/** Logs a new user in by a bare id that no other test has; `name` only makes it readable. */
export async function newUser(server: Address, name = "user"): Promise<TestUser> {
  return await login(server, `${name}-${randomUUID().slice(0, 8)}`);
}

/** Opens a session of a user by its bare id, making it when absent. */
export async function login(server: Address, userId: string): Promise<TestUser> {
  const { auth } = anonymous(server);
  const answer = await auth.login({
    appId: server.appId,
    clientKey: server.clientKey,
    credential: { case: "bareId", value: { userId } },
  });
  return {
    userId,
    token: answer.sessionToken,
    sessionId: answer.sessionId,
    rpc: withToken(server, answer.sessionToken),
  };
}

/** The app's backend: its service key, alone or acting for a user. */
export function backend(server: Address): Rpc & { as(userId: string): Rpc } {
  const authorization = `Bearer ${server.serviceKey}`;
  return {
    ...rpcOver(transportTo(server.url, { authorization })),
    as: (userId) => rpcOver(transportTo(server.url, { authorization, "parley-acting-user": userId })),
  };
}

export function operator(server: Pick<TestServer, "url" | "operatorToken">): Client<typeof OperatorService> {
  return withToken(server, server.operatorToken).operator;
}
