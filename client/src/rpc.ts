import type { DescService } from "@bufbuild/protobuf";
import { type CallOptions, type Client, createClient, type Interceptor, type Transport } from "@connectrpc/connect";
import { AdminService } from "@parley/proto/parley/v1/admin_service_pb.js";
import { AttachmentService } from "@parley/proto/parley/v1/attachment_service_pb.js";
import { AuthService } from "@parley/proto/parley/v1/auth_service_pb.js";
import { ConversationService } from "@parley/proto/parley/v1/conversation_service_pb.js";
import { FriendService } from "@parley/proto/parley/v1/friend_service_pb.js";
import { GroupService } from "@parley/proto/parley/v1/group_service_pb.js";
import { HistoryService } from "@parley/proto/parley/v1/history_service_pb.js";
import { InstallationService } from "@parley/proto/parley/v1/installation_service_pb.js";
import { MessageService } from "@parley/proto/parley/v1/message_service_pb.js";
import { RoomService } from "@parley/proto/parley/v1/room_service_pb.js";
import { ServerService } from "@parley/proto/parley/v1/server_service_pb.js";
import { UserService } from "@parley/proto/parley/v1/user_service_pb.js";
import { toParleyError } from "./errors.js";

/** The generated services, already authenticated. Their calls throw {@link ParleyError}. */
export interface Rpc {
  readonly attachment: Client<typeof AttachmentService>;
  readonly auth: Client<typeof AuthService>;
  readonly conversation: Client<typeof ConversationService>;
  readonly friend: Client<typeof FriendService>;
  readonly group: Client<typeof GroupService>;
  readonly history: Client<typeof HistoryService>;
  readonly installation: Client<typeof InstallationService>;
  readonly message: Client<typeof MessageService>;
  readonly room: Client<typeof RoomService>;
  readonly server: Client<typeof ServerService>;
  readonly user: Client<typeof UserService>;
}

/** The services of a service key: those of a user, and the administration of the app. */
export interface ServiceRpc extends Rpc {
  readonly admin: Client<typeof AdminService>;
}

/** Makes a generated client whose calls throw {@link ParleyError} and nothing else. */
function parleyClient<S extends DescService>(service: S, transport: Transport): Client<S> {
  const plain = createClient(service, transport) as Client<DescService> as Record<string, Call>;
  const calls = service.methods.map(({ localName, methodKind }) => {
    const call = plain[localName] as Call;
    return [localName, methodKind === "unary" ? unary(call) : streaming(call)];
  });
  return Object.fromEntries(calls) as Client<S>;
}

type Call = (input: unknown, options?: CallOptions) => Promise<unknown> | AsyncIterable<unknown>;

function unary(call: Call) {
  return async (input: unknown, options?: CallOptions) => {
    try {
      return await (call(input, options) as Promise<unknown>);
    } catch (thrown) {
      throw toParleyError(thrown, options?.signal);
    }
  };
}

function streaming(call: Call) {
  return async function* (input: unknown, options?: CallOptions) {
    try {
      yield* call(input, options) as AsyncIterable<unknown>;
    } catch (thrown) {
      throw toParleyError(thrown, options?.signal);
    }
  };
}

/** Makes the generated clients of one transport, each when it is first asked for. */
function createServices(transport: Transport): <S extends DescService>(service: S) => Client<S> {
  const made = new Map<DescService, unknown>();
  return <S extends DescService>(service: S) => {
    const known = made.get(service) ?? parleyClient(service, transport);
    made.set(service, known);
    return known as Client<S>;
  };
}

/** Makes the services of a user. */
export function createRpc(transport: Transport): Rpc {
  const serviceOf = createServices(transport);
  return {
    get attachment() {
      return serviceOf(AttachmentService);
    },
    get auth() {
      return serviceOf(AuthService);
    },
    get conversation() {
      return serviceOf(ConversationService);
    },
    get friend() {
      return serviceOf(FriendService);
    },
    get group() {
      return serviceOf(GroupService);
    },
    get history() {
      return serviceOf(HistoryService);
    },
    get installation() {
      return serviceOf(InstallationService);
    },
    get message() {
      return serviceOf(MessageService);
    },
    get room() {
      return serviceOf(RoomService);
    },
    get server() {
      return serviceOf(ServerService);
    },
    get user() {
      return serviceOf(UserService);
    },
  };
}

/** Makes the services of a service key. */
export function createServiceRpc(transport: Transport): ServiceRpc {
  const admin = parleyClient(AdminService, transport);
  return Object.defineProperty(createRpc(transport), "admin", { value: admin, enumerable: true }) as ServiceRpc;
}

/** The header of a session token, service key or operator token. */
export const bearer = (token: string) => ({ Authorization: `Bearer ${token}` });

/** Adds headers to every call that does not carry them already. */
export function withHeaders(headers: () => Record<string, string>): Interceptor {
  return (next) => (request) => {
    for (const [name, value] of Object.entries(headers())) {
      if (!request.header.has(name)) request.header.set(name, value);
    }
    return next(request);
  };
}
