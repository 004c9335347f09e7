import { ROLE_NAMES, type Role } from "./roles.js";

/** What the letters of the table mean. */
export const OUTCOMES = {
  Y: "yes",
  u: "UNAUTHENTICATED",
  x: "SESSION_REVOKED",
  n: "NOT_FOUND",
  m: "NOT_MEMBER",
  f: "NOT_FRIEND",
  r: "ROLE_TOO_LOW",
  s: "MUTED",
  o: "OWNER_CANNOT_BE_REMOVED",
  k: "UNSUPPORTED",
} as const;

type Outcome = (typeof OUTCOMES)[keyof typeof OUTCOMES];

/**
 * Who may do what: one row for each RPC, or for each kind of thing that it may be about, one column for each role in roles.ts. In this app
 * strangers may not write to each other, and the group is open to join. An RPC without a row fails the build, and so does one that differs.
 */
const TABLE = `
                                               nobody
                                               | expired
                                               | | guest
                                               | | | stranger
                                               | | | | friend
                                               | | | | | removed
                                               | | | | | | member
                                               | | | | | | | muted
                                               | | | | | | | | admin
                                               | | | | | | | | | owner
                                               | | | | | | | | | | acting
                                               | | | | | | | | | | | backend
                                               | | | | | | | | | | | | foreign
                                               | | | | | | | | | | | | | operator
AdminService/BatchUpsertUsers                  u x u u u u u u u u u Y Y u
AdminService/CreateSession                     u x u u u u u u u u u Y Y u
AdminService/SendSystemMessage user_id         u x u u u u u u u u u Y n u
AdminService/SendSystemMessage group_id        u x u u u u u u u u u Y n u
AdminService/SendSystemMessage room_id         u x u u u u u u u u u Y n u
AdminService/SendSystemMessage everyone        u x u u u u u u u u u Y Y u
AdminService/SetTokenKeys                      u x u u u u u u u u u Y Y u
AdminService/CreateServiceKey                  u x u u u u u u u u u Y Y u
AdminService/ListServiceKeys                   u x u u u u u u u u u Y Y u
AdminService/RevokeServiceKey                  u x u u u u u u u u u Y n u
AdminService/GetSettings                       u x u u u u u u u u u Y Y u
AdminService/SetSmsGateway                     u x u u u u u u u u u Y Y u
AdminService/GetSmsGateway                     u x u u u u u u u u u Y Y u
AdminService/SetOauthProviders                 u x u u u u u u u u u Y Y u
AdminService/ListOauthProviders                u x u u u u u u u u u Y Y u
AdminService/ResetPassword                     u x u u u u u u u u u n n u
AdminService/UpdateSettings                    u x u u u u u u u u u Y Y u
AdminService/GetUserDetail                     u x u u u u u u u u u Y n u
AdminService/DisconnectUser                    u x u u u u u u u u u Y n u
AdminService/DeleteUser                        u x u u u u u u u u u Y n u
AdminService/GetUserDeletion                   u x u u u u u u u u u Y Y u
AdminService/ExportUser                        u x u u u u u u u u u Y n u
AdminService/ImportUsers                       u x u u u u u u u u u Y Y u
AdminService/ImportMessages users              u x u u u u u u u u u Y n u
AdminService/ImportMessages group_id           u x u u u u u u u u u Y n u
AdminService/SetPushTemplates                  u x u u u u u u u u u Y Y u
AdminService/GetPushTemplates                  u x u u u u u u u u u Y Y u
AdminService/SetPushCredential apns_token      u x u u u u u u u u u Y Y u
AdminService/SetPushCredential web_push        u x u u u u u u u u u k k u
AdminService/SetPushCredential fcm             u x u u u u u u u u u Y Y u
AdminService/ListPushCredentials               u x u u u u u u u u u Y Y u
AdminService/RemovePushCredential              u x u u u u u u u u u n n u
AdminService/SendTestPush user_id              u x u u u u u u u u u Y n u
AdminService/GetWordFilter                     u x u u u u u u u u u Y Y u
AdminService/SetWordFilter                     u x u u u u u u u u u Y Y u
AdminService/AddFilterWords                    u x u u u u u u u u u Y Y u
AdminService/RemoveFilterWords                 u x u u u u u u u u u Y Y u
AdminService/ListFilterWords                   u x u u u u u u u u u Y Y u
AdminService/GetStatistics                     u x u u u u u u u u u Y Y u
AdminService/ListAuditEntries                  u x u u u u u u u u u Y Y u
AttachmentService/CreateUpload                 u x Y Y Y Y Y Y Y Y Y Y Y u
AttachmentService/CompleteUpload               u x n n n n n n n Y n Y n u
AttachmentService/GetAttachment                u x n n n n Y Y Y Y Y Y n u
AuthService/CreateAccount                      Y x Y Y Y Y Y Y Y Y Y Y Y Y
AuthService/Login bare_id                      Y x Y Y Y Y Y Y Y Y Y Y Y Y
AuthService/RequestSmsCode                     Y x Y Y Y Y Y Y Y Y Y Y Y Y
AuthService/LinkCredential password            u x Y Y Y Y Y Y Y Y u u u u
AuthService/ListCredentials                    u x Y Y Y Y Y Y Y Y u u u u
AuthService/UnlinkCredential                   u x n n n n n n n n u u u u
AuthService/ChangePassword                     u x Y Y Y Y Y Y Y Y u u u u
AuthService/Logout                             u x Y Y Y Y Y Y Y Y u u u u
AuthService/ListSessions                       u x Y Y Y Y Y Y Y Y Y u u u
AuthService/RevokeSession                      u x Y Y Y Y Y Y Y Y Y u u u
ConversationService/ListConversations          u x Y Y Y Y Y Y Y Y Y u u u
ConversationService/GetConversation user_id    u x Y Y Y Y Y Y Y Y Y u u u
ConversationService/GetConversation group_id   u x m m m m Y Y Y Y Y u u u
ConversationService/GetConversation room_id    u x k k k k k k k k k u u u
ConversationService/GetConversation system     u x Y Y Y Y Y Y Y Y Y u u u
ConversationService/MarkRead user_id           u x Y Y Y Y Y Y Y Y Y u u u
ConversationService/MarkRead group_id          u x m m m m Y Y Y Y Y u u u
ConversationService/MarkRead room_id           u x k k k k k k k k k u u u
ConversationService/MarkRead system            u x Y Y Y Y Y Y Y Y Y u u u
ConversationService/DeleteConversation user_id  u x Y Y Y Y Y Y Y Y Y u u u
ConversationService/DeleteConversation group_id  u x m m m m Y Y Y Y Y u u u
ConversationService/DeleteConversation room_id  u x k k k k k k k k k u u u
ConversationService/DeleteConversation system  u x Y Y Y Y Y Y Y Y Y u u u
FriendService/AddFriend                        u x r Y Y Y Y Y Y Y Y u u u
FriendService/BatchAddFriends                  u x r Y Y Y Y Y Y Y Y u u u
FriendService/RemoveFriend                     u x r Y Y Y Y Y Y Y Y u u u
FriendService/GetFriend                        u x r f Y f f f f f f u u u
FriendService/ListFriends                      u x r Y Y Y Y Y Y Y Y u u u
FriendService/ListStrangers                    u x Y Y Y Y Y Y Y Y Y u u u
GroupService/CreateGroup                       u x r Y Y Y Y Y Y Y Y Y n u
GroupService/GetGroup                          u x r m m m Y Y Y Y Y Y n u
GroupService/ListGroups                        u x r Y Y Y Y Y Y Y Y u u u
GroupService/SearchGroups                      u x r Y Y Y Y Y Y Y Y Y Y u
GroupService/UpdateGroup                       u x r r r r r r r Y r Y n u
GroupService/DeleteGroup                       u x r r r r r r r Y r Y n u
GroupService/AddGroupMembers                   u x r m m m Y Y Y Y Y Y n u
GroupService/RemoveGroupMembers                u x r m m m r r Y Y r Y n u
GroupService/ReplaceGroupMembers               u x r r r r r r r Y r Y n u
GroupService/ListGroupMembers                  u x r m m m Y Y Y Y Y Y n u
GroupService/UpdateGroupMember                 u x r m m m r r Y Y r Y n u
GroupService/TransferGroup                     u x r r r r r r r Y r Y n u
GroupService/JoinGroup                         u x r Y Y Y Y Y Y Y Y u u u
GroupService/LeaveGroup                        u x r Y Y Y Y Y Y o Y u u u
HistoryService/ListMessages user_id            u x Y Y Y Y Y Y Y Y Y u u u
HistoryService/ListMessages group_id           u x m m m m Y Y Y Y Y u u u
HistoryService/ListMessages room_id            u x k k k k k k k k k u u u
HistoryService/ListMessages system             u x Y Y Y Y Y Y Y Y Y u u u
HistoryService/GetMessage                      u x n n n n Y Y Y Y Y u u u
HistoryService/ExportHistory user_id           u x Y Y Y Y Y Y Y Y Y u u u
HistoryService/ExportHistory group_id          u x m m m m Y Y Y Y Y u u u
HistoryService/ExportHistory room_id           u x k k k k k k k k k u u u
HistoryService/ExportHistory system            u x Y Y Y Y Y Y Y Y Y u u u
HistoryService/ClearHistory user_id            u x r k k k k k k k k k k u
HistoryService/ClearHistory group_id           u x r r r r r r r Y r Y n u
HistoryService/ClearHistory room_id            u x r k k k k k k k k k k u
HistoryService/ClearHistory system             u x r k k k k k k k k k k u
HistoryService/HideHistory user_id             u x Y Y Y Y Y Y Y Y Y u u u
HistoryService/HideHistory group_id            u x m m m m Y Y Y Y Y u u u
HistoryService/HideHistory room_id             u x k k k k k k k k k u u u
HistoryService/HideHistory system              u x Y Y Y Y Y Y Y Y Y u u u
InstallationService/RegisterInstallation       u x Y Y Y Y Y Y Y Y u u u u
InstallationService/ListInstallations          u x Y Y Y Y Y Y Y Y Y u u u
InstallationService/RemoveInstallation         u x Y Y Y Y Y Y Y Y Y u u u
InstallationService/ReportPushOpened push_id   u x n n n n n n n n u u u u
InstallationService/ReportPushOpened message_id  u x n n n n n n n n u u u u
MessageService/SendMessage user_id             u x f f Y f f f f f f u u u
MessageService/SendMessage group_id            u x r m m m Y s Y Y Y u u u
MessageService/SendMessage room_id             u x r m m m Y Y Y Y Y u u u
MessageService/SendMessages user_id            u x f f Y f f f f f f u u u
MessageService/SendMessages group_id           u x r m m m Y s Y Y Y u u u
MessageService/SendMessages room_id            u x r m m m Y Y Y Y Y u u u
MessageService/SetTyping user_id               u x f f Y f f f f f f u u u
MessageService/SetTyping group_id              u x r m m m Y s Y Y Y u u u
MessageService/SetTyping room_id               u x r m m m Y Y Y Y Y u u u
MessageService/Subscribe                       u x Y Y Y Y Y Y Y Y u u u u
MessageService/ListEvents                      u x Y Y Y Y Y Y Y Y Y u u u
MessageService/AckEvents                       u x Y Y Y Y Y Y Y Y u u u u
MessageService/PauseSession                    u x Y Y Y Y Y Y Y Y u u u u
OperatorService/CreateApp                      u x u u u u u u u u u u u Y
OperatorService/GetApp                         u x u u u u u u u u u u u Y
OperatorService/ListApps                       u x u u u u u u u u u u u Y
OperatorService/UpdateApp                      u x u u u u u u u u u u u Y
OperatorService/RotateClientKey                u x u u u u u u u u u u u Y
OperatorService/CreateAppServiceKey            u x u u u u u u u u u u u Y
OperatorService/RevokeAppServiceKey            u x u u u u u u u u u u u Y
OperatorService/ListOperatorAuditEntries       u x u u u u u u u u u u u Y
RoomService/CreateRoom                         u x r Y Y Y Y Y Y Y Y Y n u
RoomService/GetRoom                            u x r Y Y Y Y Y Y Y Y Y n u
RoomService/ListRooms                          u x r Y Y Y Y Y Y Y Y u u u
RoomService/SearchRooms                        u x r Y Y Y Y Y Y Y Y Y Y u
RoomService/UpdateRoom                         u x r r r r r r r Y r Y n u
RoomService/DeleteRoom                         u x r r r r r r r Y r Y n u
RoomService/AddRoomMembers                     u x r m m m Y Y Y Y Y Y n u
RoomService/RemoveRoomMembers                  u x r r r r r r r Y r Y n u
RoomService/ReplaceRoomMembers                 u x r r r r r r r Y r Y n u
RoomService/ListRoomMembers                    u x r m m m Y Y Y Y Y Y n u
RoomService/JoinRoom                           u x r Y Y Y Y Y Y Y Y u u u
RoomService/LeaveRoom                          u x r Y Y Y Y Y Y Y Y u u u
ServerService/GetServerInfo                    Y x Y Y Y Y Y Y Y Y Y Y Y Y
UserService/GetUser                            u x Y Y Y Y Y Y Y Y Y Y n u
UserService/BatchGetUsers                      u x Y Y Y Y Y Y Y Y Y Y Y u
UserService/UpdateUser                         u x Y Y Y Y Y Y Y Y Y u u u
UserService/SearchUsers                        u x r Y Y Y Y Y Y Y Y Y Y u
UserService/UpdateAttributes user_id           u x r r r r r r r r r Y n u
UserService/UpdateAttributes group_id          u x r r r r r r r Y r Y n u
UserService/UpdateAttributes room_id           u x r r r r r r r Y r Y n u
UserService/UpdateAttributes group_member      u x r m m m r r Y Y r Y n u
UserService/UpdateAttributes room_member       u x r m m m r r r Y r Y n u
UserService/ReplaceAttributes user_id          u x r r r r r r r r r Y n u
UserService/ReplaceAttributes group_id         u x r r r r r r r Y r Y n u
UserService/ReplaceAttributes room_id          u x r r r r r r r Y r Y n u
UserService/ReplaceAttributes group_member     u x r m m m r r Y Y r Y n u
UserService/ReplaceAttributes room_member      u x r m m m r r r Y r Y n u
UserService/ClearAttributes user_id            u x r r r r r r r r r Y n u
UserService/ClearAttributes group_id           u x r r r r r r r Y r Y n u
UserService/ClearAttributes room_id            u x r r r r r r r Y r Y n u
UserService/ClearAttributes group_member       u x r m m m r r Y Y r Y n u
UserService/ClearAttributes room_member        u x r m m m r r r Y r Y n u
UserService/GetAttributes user_id              u x Y Y Y Y Y Y Y Y Y Y n u
UserService/GetAttributes group_id             u x r m m m Y Y Y Y Y Y n u
UserService/GetAttributes room_id              u x r Y Y Y Y Y Y Y Y Y n u
UserService/GetAttributes group_member         u x r m m m Y Y Y Y Y Y n u
UserService/GetAttributes room_member          u x r m m m Y Y Y Y Y Y n u
UserService/GetAttribute user_id               u x n n n n n n n n n n n u
UserService/GetAttribute group_id              u x r m m m n n n n n n n u
UserService/GetAttribute room_id               u x r n n n n n n n n n n u
UserService/GetAttribute group_member          u x r m m m n n n n n n n u
UserService/GetAttribute room_member           u x r m m m n n n n n n n u
UserService/GetPresenceSettings                u x Y Y Y Y Y Y Y Y Y u u u
UserService/UpdatePresenceSettings             u x Y Y Y Y Y Y Y Y Y u u u
UserService/GetPresence                        u x f f Y f f f f f f Y f u
UserService/BatchGetPresence                   u x Y Y Y Y Y Y Y Y Y Y Y u
`;

/** A row of the table: an RPC, with the case of its oneof that it is about, and what becomes of it for each role. */
export interface Privilege {
  call: string;
  outcomes: Record<Role, Outcome>;
}

export const PRIVILEGES: readonly Privilege[] = TABLE.split("\n")
  .filter((line) => line.includes("/"))
  .map((line) => {
    const [, call = "", letters = ""] = /^(.*?)\s{2,}(.*)$/.exec(line) ?? [];
    const outcomes = letters.split(" ").map((letter) => OUTCOMES[letter as keyof typeof OUTCOMES]);
    if (outcomes.length !== ROLE_NAMES.length || outcomes.includes(undefined as never))
      throw new Error(`this row of the table cannot be read: ${line}`);
    return { call, outcomes: Object.fromEntries(ROLE_NAMES.map((role, at) => [role, outcomes[at]])) } as Privilege;
  });
