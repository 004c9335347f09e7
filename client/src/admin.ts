import type { MessageInitShape } from "@bufbuild/protobuf";
import type {
  CreateSessionResponse,
  ExportUserResponse,
  GetSmsGatewayResponse,
  GetStatisticsRequestSchema,
  GetStatisticsResponse,
  ImportMessagesRequestSchema,
  ImportMessagesResponse,
  ListAuditEntriesRequestSchema,
  SetPushCredentialRequestSchema,
  SetSmsGatewayRequestSchema,
  SetWordFilterRequestSchema,
  TestPushResult,
  TokenKeySchema,
  UserUpsertSchema,
} from "@parley/proto/parley/v1/admin_service_pb.js";
import type { AppSettings, AppSettingsSchema, ServiceKey } from "@parley/proto/parley/v1/app_pb.js";
import type { AuditEntry } from "@parley/proto/parley/v1/audit_entry_pb.js";
import type { ChatMessage } from "@parley/proto/parley/v1/chat_message_pb.js";
import { PushEnvironment, type PushProvider } from "@parley/proto/parley/v1/installation_pb.js";
import type { OauthProvider, OauthProviderSchema } from "@parley/proto/parley/v1/oauth_provider_pb.js";
import type { Peer } from "@parley/proto/parley/v1/peer_pb.js";
import type { PushCredential } from "@parley/proto/parley/v1/push_credential_pb.js";
import type { PushTemplates, PushTemplatesSchema } from "@parley/proto/parley/v1/push_templates_pb.js";
import type { UserDetail } from "@parley/proto/parley/v1/user_detail_pb.js";
import type { ImportedUserSchema, ImportUserResult } from "@parley/proto/parley/v1/user_import_pb.js";
import type { WordFilter } from "@parley/proto/parley/v1/word_filter_pb.js";
import type { ExportOptions } from "./history.js";
import { type Content, type SendOptions, toMessageContent } from "./message-content.js";
import { type PageOptions, present } from "./page.js";
import type { ServiceRpc } from "./rpc.js";

/** What may go with a system message. */
export type SystemMessageOptions = Pick<SendOptions, "remark" | "attributes" | "push" | "clientMessageId">;

/** What an app pushes with: `{ case: "apnsToken" | "apnsCertificate" | "fcm", value }`. */
export type PushCredentialInit = NonNullable<MessageInitShape<typeof SetPushCredentialRequestSchema>["credential"]>;

/** The administration of the app. */
export interface Admin {
  /** Makes or updates up to 100 users, so that they can be written to before their first login. All or none. */
  upsertUsers(users: readonly MessageInitShape<typeof UserUpsertSchema>[]): Promise<void>;
  /** Opens a session for a user, who is made when absent; hand its token to `client.login({ sessionToken })`. */
  createSession(userId: string): Promise<CreateSessionResponse>;
  /** Writes in the name of the system to everyone, a user, a group or a room. Errors: NOT_FOUND, TOO_LARGE, IDEMPOTENCY_CONFLICT. */
  sendSystemMessage(receiver: Peer, content: Content, options?: SystemMessageOptions): Promise<ChatMessage>;
  /** Replaces the keys that signed tokens are checked with, at most 10. */
  setTokenKeys(keys: readonly MessageInitShape<typeof TokenKeySchema>[]): Promise<void>;
  /** Sets how codes reach the phones: `{ case: "webhook", value: { url, secret } }`, `"console"` (development apps) or `"none"`. Errors: INVALID_FIELD. */
  setSmsGateway(gateway: NonNullable<MessageInitShape<typeof SetSmsGatewayRequestSchema>["gateway"]>): Promise<void>;
  /** Gets the gateway in force, without its secret. */
  getSmsGateway(): Promise<GetSmsGatewayResponse["gateway"]>;
  /** Replaces the third parties whose word a login may rest on, at most 10. Errors: INVALID_FIELD. */
  setOauthProviders(providers: readonly MessageInitShape<typeof OauthProviderSchema>[]): Promise<void>;
  /** Lists them in the order in which they were set. */
  listOauthProviders(): Promise<OauthProvider[]>;
  /** Replaces a user's password; all its sessions end. Errors: NOT_FOUND (no such user, or it has no password). */
  resetPassword(userId: string, newPassword: string): Promise<void>;
  /** Makes a further service key, which is shown only now. */
  createServiceKey(name: string): Promise<{ record: ServiceKey; serviceKey: string }>;
  /** Lists one page of the service keys, newest first. */
  listServiceKeys(page?: PageOptions): Promise<{ serviceKeys: ServiceKey[]; nextPageToken: string }>;
  /** Makes a service key useless at once. Errors: NOT_FOUND. */
  revokeServiceKey(serviceKeyId: string): Promise<void>;
  /** Gets the app's settings with their defaults filled in. */
  getSettings(): Promise<AppSettings>;
  /** Changes the settings that are named. */
  updateSettings(settings: MessageInitShape<typeof AppSettingsSchema>): Promise<AppSettings>;
  /** Gets all there is to know of one user at a glance; of friends, groups and rooms the first 100 ids. Errors: NOT_FOUND. */
  getUserDetail(userId: string): Promise<UserDetail>;
  /** Ends a user's streams, and its sessions when asked to. Resolves to the numbers that were ended. Errors: NOT_FOUND. */
  disconnectUser(
    userId: string,
    options?: { revokeSessions?: boolean },
  ): Promise<{ streams: number; sessions: number }>;
  /** Deletes a user for good: out of reach when this resolves, blanked step by step behind it. Errors: NOT_FOUND. */
  deleteUser(userId: string): Promise<void>;
  /** Tells whether words of a deleted user are still to be blanked, and how many events and messages were so far. */
  getUserDeletion(userId: string): Promise<{ pending: boolean; events: number; messages: number }>;
  /** Reads all that is stored of one user, as of its beginning; goes on from the checkpoint of an item of an earlier try. Errors: NOT_FOUND, RATE_LIMITED. */
  exportUser(userId: string, options?: ExportOptions): AsyncIterable<ExportUserResponse>;
  /** Brings in up to 500 users, each with its own outcome in the same order; a repeat changes nothing. */
  importUsers(users: readonly MessageInitShape<typeof ImportedUserSchema>[]): Promise<ImportUserResult[]>;
  /** Brings up to 500 messages, rising in time, into the history of two users or of a group. All or none; what is there already is passed over. */
  importMessages(request: MessageInitShape<typeof ImportMessagesRequestSchema>): Promise<ImportMessagesResponse>;
  /**
   * Sets what the app pushes with through one provider, for one environment or for all that the credential serves. Secrets are never
   * told again. Errors: INVALID_FIELD naming what is wrong, UNSUPPORTED, SERVER_BUSY.
   */
  setPushCredential(credential: PushCredentialInit, environment?: PushEnvironment): Promise<PushCredential>;
  /** Lists what the app pushes with, by provider and environment. */
  listPushCredentials(): Promise<PushCredential[]>;
  /** Removes what the app pushes with, under the environment that the list tells. Errors: NOT_FOUND. */
  removePushCredential(provider: PushProvider, environment?: PushEnvironment): Promise<void>;
  /** Pushes an alert to every phone of a user, or to one installation, and tells what the provider answered for each. Errors: NOT_FOUND. */
  sendTestPush(
    target: { userId: string } | { installationId: string },
    alert?: { title?: string; body?: string },
  ): Promise<TestPushResult[]>;
  /** Replaces the words of the app's pushes. Errors: INVALID_FIELD. */
  setPushTemplates(templates: MessageInitShape<typeof PushTemplatesSchema>): Promise<void>;
  /** Gets the words of the app's pushes, as they were set. */
  getPushTemplates(): Promise<PushTemplates>;
  /** Gets the word filter, without its words. */
  getWordFilter(): Promise<WordFilter>;
  /** Replaces the word filter and its words, at most 10,000 of 64 code points; holds for every send that begins after the answer. Errors: INVALID_FIELD, TOO_LARGE. */
  setWordFilter(filter: MessageInitShape<typeof SetWordFilterRequestSchema>): Promise<WordFilter>;
  /** Adds up to 1,000 words to the filter. Errors: INVALID_FIELD, TOO_LARGE with more than 10,000 in all. */
  addFilterWords(words: readonly string[]): Promise<WordFilter>;
  /** Takes up to 1,000 words out of the filter, spelt as they were added. */
  removeFilterWords(words: readonly string[]): Promise<WordFilter>;
  /** Lists one page of the filter's words, in the order of their code points. */
  listFilterWords(page?: PageOptions): Promise<{ words: string[]; nextPageToken: string }>;
  /** Tells how the app is used: now, by the hour (at most 31 days of them) or by the day (at most 1,100), in UTC and oldest first. Errors: INVALID_FIELD. */
  getStatistics(query?: MessageInitShape<typeof GetStatisticsRequestSchema>): Promise<GetStatisticsResponse>;
  /** Lists one page of what the app's service keys changed, or tried to, newest first. */
  listAuditEntries(
    query?: MessageInitShape<typeof ListAuditEntriesRequestSchema>,
  ): Promise<{ entries: AuditEntry[]; nextPageToken: string }>;
}

/** Makes the calls of the administration. */
export function createAdmin({ admin }: ServiceRpc): Admin {
  return {
    upsertUsers: async (users) => void (await admin.batchUpsertUsers({ users: [...users] })),
    createSession: (userId) => admin.createSession({ userId }),
    sendSystemMessage: async (receiver, content, options = {}) =>
      present((await admin.sendSystemMessage({ ...options, receiver, content: toMessageContent(content) })).message),
    setTokenKeys: async (keys) => void (await admin.setTokenKeys({ keys: [...keys] })),
    setSmsGateway: async (gateway) => void (await admin.setSmsGateway({ gateway })),
    getSmsGateway: async () => (await admin.getSmsGateway({})).gateway,
    setOauthProviders: async (providers) => void (await admin.setOauthProviders({ providers: [...providers] })),
    listOauthProviders: async () => (await admin.listOauthProviders({})).providers,
    resetPassword: async (userId, newPassword) => void (await admin.resetPassword({ userId, newPassword })),
    async createServiceKey(name) {
      const { record, serviceKey } = await admin.createServiceKey({ name });
      return { record: present(record), serviceKey };
    },
    listServiceKeys: (page = {}) => admin.listServiceKeys(page),
    revokeServiceKey: async (serviceKeyId) => void (await admin.revokeServiceKey({ serviceKeyId })),
    getSettings: async () => present((await admin.getSettings({})).settings),
    updateSettings: async (settings) => present((await admin.updateSettings({ settings })).settings),
    getUserDetail: async (userId) => present((await admin.getUserDetail({ userId })).detail),
    disconnectUser: (userId, { revokeSessions = false } = {}) => admin.disconnectUser({ userId, revokeSessions }),
    deleteUser: async (userId) => void (await admin.deleteUser({ userId })),
    getUserDeletion: (userId) => admin.getUserDeletion({ userId }),
    exportUser: (userId, { checkpoint = "", signal } = {}) =>
      admin.exportUser({ userId, checkpoint }, signal && { signal }),
    importUsers: async (users) => (await admin.importUsers({ users: [...users] })).results,
    importMessages: (request) => admin.importMessages(request),
    setPushCredential: async (credential, environment = PushEnvironment.UNSPECIFIED) =>
      present((await admin.setPushCredential({ credential, environment })).credential),
    listPushCredentials: async () => (await admin.listPushCredentials({})).credentials,
    removePushCredential: async (provider, environment = PushEnvironment.UNSPECIFIED) =>
      void (await admin.removePushCredential({ provider, environment })),
    async sendTestPush(to, alert = {}) {
      const target =
        "userId" in to
          ? { case: "userId" as const, value: to.userId }
          : { case: "installationId" as const, value: to.installationId };
      return (await admin.sendTestPush({ target, ...alert })).results;
    },
    setPushTemplates: async (templates) => void (await admin.setPushTemplates({ templates })),
    getPushTemplates: async () => present((await admin.getPushTemplates({})).templates),
    getWordFilter: async () => present((await admin.getWordFilter({})).filter),
    setWordFilter: async (filter) => present((await admin.setWordFilter(filter)).filter),
    addFilterWords: async (words) => present((await admin.addFilterWords({ words: [...words] })).filter),
    removeFilterWords: async (words) => present((await admin.removeFilterWords({ words: [...words] })).filter),
    listFilterWords: (page = {}) => admin.listFilterWords(page),
    getStatistics: (query = {}) => admin.getStatistics(query),
    listAuditEntries: (query = {}) => admin.listAuditEntries(query),
  };
}
