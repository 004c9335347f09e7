/** The whole public surface of `@parley/client`. `#platform` is the browser or Node, by the conditions of package.json. */
import { platform } from "#platform";
import { buildClient, type Client } from "./client.js";
import type { ClientOptions } from "./client-options.js";
import { buildServiceClient, type ServiceClient, type ServiceClientOptions } from "./service-client.js";

/** Makes a client for one user on one device. Nothing is sent before `login` or `restore`, but for a logout left over from earlier. */
export function createClient(options: ClientOptions): Client {
  return buildClient(options, options.platform ?? platform);
}

/** Makes a client for the app's backend, which holds a service key. */
export function createServiceClient(options: ServiceClientOptions): ServiceClient {
  return buildServiceClient(options, options.platform ?? platform);
}

export type { TestPushResult } from "@parley/proto/parley/v1/admin_service_pb.js";
export { PushOutcome, StatisticsResolution } from "@parley/proto/parley/v1/admin_service_pb.js";
export type { Attachment } from "@parley/proto/parley/v1/attachment_pb.js";
export type { AuditEntry } from "@parley/proto/parley/v1/audit_entry_pb.js";
export { AuditOutcome } from "@parley/proto/parley/v1/audit_entry_pb.js";
export type { ChatMessage } from "@parley/proto/parley/v1/chat_message_pb.js";
export { MessageState } from "@parley/proto/parley/v1/chat_message_pb.js";
export type { Conversation } from "@parley/proto/parley/v1/conversation_pb.js";
export type { Friend, Stranger } from "@parley/proto/parley/v1/friend_pb.js";
export type { Group, GroupMember } from "@parley/proto/parley/v1/group_pb.js";
export { GroupRole, JoinPolicy } from "@parley/proto/parley/v1/group_pb.js";
export type { Installation } from "@parley/proto/parley/v1/installation_pb.js";
export { Platform as PlatformKind, PushEnvironment, PushProvider } from "@parley/proto/parley/v1/installation_pb.js";
export type { LinkedCredential } from "@parley/proto/parley/v1/linked_credential_pb.js";
export { CredentialKind } from "@parley/proto/parley/v1/linked_credential_pb.js";
export type { MessageContent } from "@parley/proto/parley/v1/message_content_pb.js";
export { ResyncReason } from "@parley/proto/parley/v1/message_service_pb.js";
export type { Peer, Sender } from "@parley/proto/parley/v1/peer_pb.js";
export type { PushCredential } from "@parley/proto/parley/v1/push_credential_pb.js";
export { PushCredentialKind } from "@parley/proto/parley/v1/push_credential_pb.js";
export type { PushTemplates } from "@parley/proto/parley/v1/push_templates_pb.js";
export type { Room, RoomMember } from "@parley/proto/parley/v1/room_pb.js";
export type { CurrentStatistics, StatisticsBucket } from "@parley/proto/parley/v1/statistics_pb.js";
export type {
  ConversationChanged,
  FriendChanged,
  GroupChanged,
  GroupMemberChanged,
  HistoryCleared,
  ReadMarkerChanged,
  RoomChanged,
  RoomMemberChanged,
  SessionRevoked,
  StreamEvent,
  TypingChanged,
} from "@parley/proto/parley/v1/stream_event_pb.js";
export { ChangeKind, EventKind, SessionRevokedReason } from "@parley/proto/parley/v1/stream_event_pb.js";
export type { UserDetail } from "@parley/proto/parley/v1/user_detail_pb.js";
export type { UserExportItem } from "@parley/proto/parley/v1/user_export_pb.js";
export type { ImportedMessage, ImportedUser, ImportUserResult } from "@parley/proto/parley/v1/user_import_pb.js";
export type { Presence, PresenceSettings, User } from "@parley/proto/parley/v1/user_pb.js";
export { UserKind } from "@parley/proto/parley/v1/user_pb.js";
export type { WordFilter } from "@parley/proto/parley/v1/word_filter_pb.js";
export { WordFilterAction } from "@parley/proto/parley/v1/word_filter_pb.js";
export type { AccountCalls, SentCode } from "./account.js";
export type { Admin, PushCredentialInit, SystemMessageOptions } from "./admin.js";
export type { Attachments, Uploadable, UploadOptions } from "./attachments.js";
export type { Attributes } from "./attributes.js";
export type { Client } from "./client.js";
export type { ClientOptions } from "./client-options.js";
export type { Clock } from "./clock.js";
export type { ConversationPage, Conversations } from "./conversations.js";
export type { Credential, OauthCredential, SessionCredential } from "./credential.js";
export type { Credentials, LinkableCredential } from "./credentials.js";
export type { CurrentUser } from "./current-user.js";
export type { CursorStore } from "./cursor-store.js";
export type { Listener } from "./emitter.js";
export type { LocalReason, ParleyErrorFacts, ParleyErrorReason } from "./errors.js";
export { ParleyError, toParleyError } from "./errors.js";
export type { ClientEvents, ClientState, FriendPresence } from "./events.js";
export type { AddFriendOutcome, Friends, StrangerOptions } from "./friends.js";
export type { GroupChange, GroupMemberChange, Groups, NewGroup } from "./groups.js";
export type { ExportOptions, History, HistoryExportOptions, HistoryOptions, HistoryPage } from "./history.js";
export type { InstallationChange, Installations } from "./installations.js";
export type { KeyValueStore, Scope } from "./key-value-store.js";
export { memoryStore } from "./key-value-store.js";
export type { Content, FileContent, Media, SendOptions } from "./message-content.js";
export type { Messages } from "./messages.js";
export type { OutgoingMessage, SendStatus } from "./outgoing-message.js";
export type { DetailOptions, PageOptions } from "./page.js";
export { everyone, group, peerKey, room, system, user } from "./peer.js";
export type { Platform } from "./platform.js";
export type { PushData } from "./push-data.js";
export { readPush } from "./push-data.js";
export type { PutBytes, PutRequest } from "./put-bytes.js";
export type { NewRoom, RoomChange, Rooms } from "./rooms.js";
export type { Rpc, ServiceRpc } from "./rpc.js";
export type { SearchFilter, SearchOptions } from "./search.js";
export type { ActingUser, ServiceClient, ServiceClientOptions } from "./service-client.js";
export type { Sessions } from "./sessions.js";
export type { CloseReason } from "./stream-state.js";
export type { PresenceChange, UserChange, Users } from "./users.js";
