import { GroupRole } from "@parley/proto/parley/v1/group_pb.js";
import type { FakeClock } from "../support/fake-clock.js";
import { backend, operator, type TestServer, type TestUser, withToken } from "../support/index.js";
import { must, newGuest, otherApp, say, toGroup } from "../support/messaging.js";
import { png, upload } from "../support/uploads.js";
import { bearer, type Credentials } from "./call.js";
import type { Ids } from "./world.js";

/** Who may try a call, as docs/privileges.md explains them. */
export const ROLES = {
  nobody: "no token",
  expired: "a session that has ended by time",
  guest: "a guest's session",
  stranger: "a user who has nothing to do with the user, group or room named",
  friend: "a friend of the user named, in no group or room",
  removed: "a former member of the group and the room",
  member: "a member of the group and the room",
  muted: "a member who is muted in the group",
  admin: "an admin of the group, member of the room",
  owner: "the owner of the group, creator of the room",
  acting: "the app's service key, acting for the member",
  backend: "the app's service key alone",
  foreign: "the service key of another app",
  operator: "the operator token",
} as const;

export type Role = keyof typeof ROLES;
export const ROLE_NAMES = Object.keys(ROLES) as Role[];

const USERS = ["stranger", "friend", "removed", "member", "muted", "admin", "owner"] as const;
/** The name of the user who acts in a role. */
const nameOf = (role: Role): string => (role === "acting" ? "member" : role);
/** The phone of a user, by its name. */
const installationOf = (name: string): string => `phone-of-${name}`;
const MEMBERS = ["removed", "member", "muted", "admin"] as const;

/** An app with somebody of every role, and a user named `target` that they try their calls on. */
export interface Cast {
  server: TestServer;
  ids: Ids;
  credentials(role: Role): Credentials;
  /** Makes anew what a call of this role has changed. */
  restore(role: Role, method: string): Promise<void>;
}

/** Sets an app up; strangers may not write to each other in it. The clock is moved past the life of a session. */
export async function gather(server: TestServer, clock: FakeClock, sessionMs: number): Promise<Cast> {
  const { admin } = backend(server);
  const users = new Map<string, TestUser>();
  const enter = async (userId: string) => {
    const { sessionToken: token, sessionId } = await admin.createSession({ userId });
    const rpc = withToken(server, token);
    users.set(userId, { userId, token, sessionId, rpc });
    await rpc.installation.registerInstallation({ installation: { installationId: installationOf(userId) } });
  };
  await admin.updateSettings({ settings: { allowStrangerMessages: false } });
  await enter("expired");
  clock.advance(sessionMs);
  for (const user of [...USERS, "target"]) await enter(user);
  const enterGuest = async () => {
    const guest = await newGuest(server);
    users.set("guest", guest);
    await guest.rpc.installation.registerInstallation({ installation: { installationId: installationOf("guest") } });
  };
  await enterGuest();
  const user = (name: string) => must(users.get(name));
  const ids = { user_id: "target" } as Ids;

  const makeGroup = async () => {
    const { group } = user("owner").rpc;
    const groupId = must((await group.createGroup({ name: "g", memberUserIds: [...MEMBERS, "target"] })).group).groupId;
    const muteUntilTime = { seconds: BigInt(Math.floor(clock.now() / 1000) + 86_400), nanos: 0 };
    await group.updateGroupMember({ groupId, userId: "admin", role: GroupRole.ADMIN });
    await group.updateGroupMember({ groupId, userId: "muted", muteUntilTime });
    await group.removeGroupMembers({ groupId, userIds: ["removed"] });
    ids.group_id = groupId;
    ids.message_id = (await say(user("owner"), toGroup(groupId), "hello")).messageId;
    // One that the group alone can see.
    ids.attachment_id = (
      await upload(user("owner"), png(1, 1), { fileName: "words", mimeType: "image/png" })
    ).attachmentId;
    const content = { content: { case: "image" as const, value: { attachmentId: ids.attachment_id } } };
    await user("owner").rpc.message.sendMessage({ receiver: toGroup(groupId), content });
  };
  const makeRoom = async () => {
    const { room } = user("owner").rpc;
    ids.room_id = must((await room.createRoom({ name: "r", memberUserIds: [...MEMBERS, "target"] })).room).roomId;
    await room.removeRoomMembers({ roomId: ids.room_id, userIds: ["removed"] });
  };
  const makeKey = async () => {
    ids.service_key_id = must((await admin.createServiceKey({ name: "k" })).record).serviceKeyId;
  };
  const makeFriends = async (role: Role) => {
    await user(nameOf(role)).rpc.friend.removeFriend({ userId: "target" });
    await user("friend").rpc.friend.addFriend({ userId: "target" });
  };
  const makeTarget = async () => {
    await enter("target");
    await makeGroup();
    await makeRoom();
    await makeFriends("friend");
  };
  let foreign = await otherApp(server);
  await makeGroup();
  await makeRoom();
  await makeKey();
  await makeFriends("friend");

  return {
    server,
    ids,
    credentials(role) {
      if (role === "nobody") return {};
      if (role === "backend") return bearer(server.serviceKey);
      if (role === "foreign") return bearer(foreign.serviceKey);
      if (role === "operator") return bearer(server.operatorToken);
      // A call that names a session names the caller's own.
      ids.session_id = user(nameOf(role)).sessionId;
      ids.installation_id = installationOf(nameOf(role));
      if (role === "acting") return { ...bearer(server.serviceKey), "parley-acting-user": nameOf(role) };
      return bearer(user(role).token);
    },
    async restore(role, method) {
      // In the other app nobody may have the name of the user.
      if (role === "foreign") foreign = await otherApp(server);
      if (/^(Add|Remove)Friend$|^BatchAddFriends$/.test(method)) await makeFriends(role);
      else if (/^(Logout|RevokeSession|(Register|Remove)Installation)$/.test(method))
        await (role === "guest" ? enterGuest() : enter(nameOf(role)));
      else if (/ServiceKey$/.test(method)) await makeKey();
      else if (method === "DeleteUser" && role !== "foreign") await makeTarget();
      else if (method === "ImportUsers" && role !== "foreign") {
        // With a credential it could not come by its bare id any more.
        await admin.deleteUser({ userId: "target" });
        await makeTarget();
      } else if (/^(Clear|Hide)History$/.test(method)) await makeGroup();
      else if (method === "RotateClientKey")
        server.clientKey = must((await operator(server).getApp(server)).app).clientKey;
      else if (/^(Update|Delete|Transfer|Join|Leave|Add|Remove|Replace)Group/.test(method)) await makeGroup();
      else if (/^(Update|Delete|Join|Leave|Add|Remove|Replace)Room/.test(method)) await makeRoom();
    },
  };
}
