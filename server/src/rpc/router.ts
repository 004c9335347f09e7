import type { DescMethod, DescService } from "@bufbuild/protobuf";
import { type ConnectRouter, createConnectRouter } from "@connectrpc/connect";
import { compressionGzip } from "@connectrpc/connect-node";
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
import type { Ctx } from "../domain/context.js";
import { adminHandlers } from "./admin-service.js";
import { attachmentHandlers } from "./attachment-service.js";
import type { Audit } from "./audited.js";
import { authHandlers } from "./auth-service.js";
import { createConnectHandler } from "./connect-handler.js";
import { conversationHandlers } from "./conversation-service.js";
import type { Request, Response } from "./exchange.js";
import { exportHandlers } from "./exports.js";
import { createFastSubscribe } from "./fast-subscribe.js";
import { createFastUnary } from "./fast-unary.js";
import { friendHandlers } from "./friend-service.js";
import type { Funnel } from "./funnel.js";
import { groupHandlers } from "./group-service.js";
import { historyHandlers } from "./history-service.js";
import { installationHandlers } from "./installation-service.js";
import { messageHandlers } from "./message-service.js";
import { operatorHandlers } from "./operator-service.js";
import { roomHandlers } from "./room-service.js";
import { serverHandlers } from "./server-service.js";
import { type Subscribe, viaConnect } from "./subscribe.js";
import { createUnaryTable } from "./unary-table.js";
import { userHandlers } from "./user-service.js";

/** The services of the contract. */
export const SERVICES: readonly DescService[] = [
  AdminService,
  AttachmentService,
  AuthService,
  ConversationService,
  FriendService,
  GroupService,
  HistoryService,
  InstallationService,
  MessageService,
  OperatorService,
  RoomService,
  ServerService,
  UserService,
];

export interface RpcOptions {
  ctx: Ctx;
  funnel: Funnel;
  audit: Audit;
  subscribe: Subscribe;
  /** Further services that are not of the contract: health and reflection. */
  extra(router: ConnectRouter): void;
  fallback(request: Request, response: Response): void;
  internal(request: Request, response: Response): void;
  /** Told what Connect could not answer. */
  onError(error: unknown, method: DescMethod, requestId: string): void;
  requestBytes: number;
  responseBytes: number;
  compressMinBytes: number;
  maxTimeoutMs: number;
  /** The address of a request's client. */
  addressOf(request: Request): string;
  /** Serve plain calls, and plain streams of events, without Connect's pipeline. Off, Connect serves them all alike. */
  fastUnary: boolean;
}

/** The handler of every RPC, in Connect, gRPC and gRPC-Web. */
export function createRpcHandler(options: RpcOptions): (request: Request, response: Response) => void {
  const { ctx, funnel } = options;
  const table = createUnaryTable(funnel, options.audit);
  const reportSend = (error: unknown, call: { requestId: string }) =>
    void funnel.fail(MessageService.method.sendMessages, error, call.requestId);
  const reportImport = (error: unknown, call: { requestId: string }) =>
    void funnel.fail(AdminService.method.importUsers, error, call.requestId);
  table.add(AdminService, adminHandlers(ctx, reportImport), (audited) => adminHandlers(audited, reportImport));
  table.add(AttachmentService, attachmentHandlers(ctx), attachmentHandlers);
  table.add(AuthService, authHandlers(ctx));
  table.add(ConversationService, conversationHandlers(ctx));
  table.add(FriendService, friendHandlers(ctx));
  table.add(GroupService, groupHandlers(ctx), groupHandlers);
  table.add(HistoryService, historyHandlers(ctx), historyHandlers);
  table.add(InstallationService, installationHandlers(ctx));
  table.add(MessageService, messageHandlers(ctx, reportSend));
  table.add(OperatorService, operatorHandlers(ctx), operatorHandlers);
  table.add(RoomService, roomHandlers(ctx), roomHandlers);
  table.add(ServerService, serverHandlers(ctx));
  table.add(UserService, userHandlers(ctx), userHandlers);
  const router = createConnectRouter({
    // A request may be compressed; an answer is only when it is far larger than a message, since compressing costs more than sending.
    acceptCompression: [compressionGzip],
    compressMinBytes: options.compressMinBytes,
    readMaxBytes: options.requestBytes,
    writeMaxBytes: options.responseBytes,
    maxTimeoutMs: options.maxTimeoutMs,
  });
  const { exportUser, exportHistory } = exportHandlers({ ctx, funnel });
  const streams = new Map<DescService, object>([
    [AdminService, { exportUser }],
    [HistoryService, { exportHistory }],
    [MessageService, { subscribe: viaConnect(options.subscribe) }],
  ]);
  for (const service of SERVICES) {
    // The table was filled from handlers typed by each service; here a service is one of many.
    router.service(service, { ...table.implementation(service), ...streams.get(service) } as never);
  }
  options.extra(router);
  const { newId } = ctx;
  const connect = createConnectHandler(router, { ...options, newId });
  if (!options.fastUnary) return connect;
  const fast = { ...options, newId, fail: funnel.fail };
  return createFastSubscribe(options.subscribe, fast, createFastUnary(table, fast, connect));
}
