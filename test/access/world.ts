import { generateKeyPairSync, type KeyObject, randomBytes, randomUUID } from "node:crypto";
import type { DescMethod } from "@bufbuild/protobuf";
import { backend, type TestServer, type TestUser, withToken } from "../support/index.js";
import { must, newGroup, newRoom, say, toUser } from "../support/messaging.js";
import { newPhoneNumber } from "../support/sms.js";
import { png, upload } from "../support/uploads.js";
import { bearer, type Credentials } from "./call.js";
import { type Fill, type Sample, samplesOf, withValue } from "./samples.js";

/** An app with something of everything in it, owned by one user. */
export interface World {
  app: TestServer;
  /** The owner of the group and the room, and a friend of `user`, who is a member of both. */
  owner: TestUser;
  ids: Ids;
  /** A place in the owner's log. */
  cursor: string;
  /** A place in the owner's list of groups. */
  pageToken: string;
}

/** The ids of what is in a world, by the name that a field for one ends with. */
export interface Ids {
  user_id: string;
  group_id: string;
  room_id: string;
  message_id: string;
  session_id: string;
  installation_id: string;
  service_key_id: string;
  attachment_id: string;
}

/** Fills an app with new users and things. */
export async function furnish(app: TestServer): Promise<World> {
  const { admin } = backend(app);
  const [owner, user] = [`owner-${short()}`, `user-${short()}`] as const;
  await admin.batchUpsertUsers({ users: [{ userId: owner }, { userId: user }] });
  const [session, other] = await Promise.all([owner, owner].map((userId) => admin.createSession({ userId })));
  const { sessionToken: token, sessionId } = must(session);
  const installation_id = `phone-${short()}`;
  await withToken(app, must(other).sessionToken).installation.registerInstallation({
    installation: { installationId: installation_id },
  });
  const self: TestUser = { userId: owner, token, sessionId, rpc: withToken(app, token) };
  const friend = { userId: user } as TestUser;
  await self.rpc.friend.addFriend({ userId: user });
  await newGroup(self, []);
  const ids = {
    user_id: user,
    group_id: await newGroup(self, [friend]),
    room_id: await newRoom(self, [friend]),
    message_id: (await say(self, toUser(user), "hello")).messageId,
    session_id: must(other).sessionId,
    installation_id,
    service_key_id: must((await admin.createServiceKey({ name: "k" })).record).serviceKeyId,
    attachment_id: (await upload(self, png(1, 1), { fileName: "words", mimeType: "image/png" })).attachmentId,
  };
  const { cursor } = await self.rpc.message.listEvents({});
  const { nextPageToken: pageToken } = await self.rpc.group.listGroups({ pageSize: 1 });
  return { app, owner: self, ids, cursor, pageToken };
}

/** The id that a field wants, if it wants one of a thing that can be there or not. */
export function idFor(field: { name: string; parent?: { name: string } }, ids: Ids): string | undefined {
  // The app makes the id of an installation that it registers.
  if (field.parent?.name === "Installation") return undefined;
  const kind = field.name.replace(/ids$/, "id");
  const found = Object.keys(ids).find((name) => kind === name || kind.endsWith(`_${name}`));
  return found === undefined || FOREIGN_NAMES.has(kind) ? undefined : ids[found as keyof Ids];
}

// Names that others give, which are no ids of ours.
const FOREIGN_NAMES = new Set(["external_user_id", "client_message_id"]);

/** Fills the fields of requests with what a world holds, so that its owner's calls succeed. */
export function fillFrom({ app, owner, ids, cursor, pageToken }: Omit<World, "owner"> & { owner?: TestUser }): Fill {
  return (field) => {
    // Nobody is a friend of oneself.
    if (field.name === "friend_user_ids") return owner?.userId;
    const id = idFor(field, ids);
    if (id !== undefined) return id;
    // A token is nothing without the provider it is of; all other enums stay unset.
    if (field.fieldKind === "enum") return field.name === "push_provider" ? "PUSH_PROVIDER_FCM" : undefined;
    switch (field.name) {
      case "app_id":
        return app.appId;
      case "client_key":
        return app.clientKey;
      case "cursor":
        return cursor;
      case "page_token":
        // Each list has tokens of its own kind.
        return field.parent.name === "ListGroupsRequest" ? pageToken : undefined;
      case "checkpoint":
        // An export begins without one.
        return undefined;
      case "username":
      case "client_message_id":
      case "request_id":
      case "installation_id":
        return `x${short()}`;
      case "push_id":
        return randomUUID();
      case "phone_number":
        return newPhoneNumber();
      case "code":
        return "123456";
      case "avatar_url":
      case "url":
      case "thumbnail_url":
        return "https://example.org/picture";
      case "mime_type":
        return "image/png";
      case "sha256":
        return undefined;
      case "secret":
      case "hs256_secret":
        return randomBytes(16).toString("hex");
      case "public_key_pem":
        return PEM;
      case "base_url":
      case "issuer":
      case "jwks_url":
        return "https://example.org/keys";
      case "mask":
        return "#";
      case "locale":
        return "en";
      case "key_p8":
        return P8;
      case "key_id":
      case "team_id":
        return "ABCDE12345";
      case "topic":
        return "com.example.chat";
      case "service_account_json":
        return serviceAccount();
      default:
        return "words";
    }
  };
}

/** The requests of a method such that a world's owner, or whom else it is for, may make them; each under keys of its own. */
export function samplesIn(world: World, method: DescMethod): Sample[] {
  return samplesOf(method, fillFrom(world)).map((sample) => ({ ...sample, request: fresh(sample) }));
}

/** The request of a sample under new keys, so that it is no repeat of one made before. */
export function fresh({ request, places }: Sample): Sample["request"] {
  const keys = places.filter(({ field }) =>
    ["username", "client_message_id", "request_id", "phone_number"].includes(field.name),
  );
  return keys.reduce(
    (made, place) => withValue(made, place, place.field.name === "phone_number" ? newPhoneNumber() : `x${short()}`),
    request,
  );
}

/** Calls after which the next ones would not find what they are about. */
export const TAKES_AWAY = /^(Delete|Remove|Leave|Transfer|Replace|Revoke|Logout|Rotate|Clear|Hide)/;

const OPEN_TO_ALL = new Set(["Login", "CreateAccount", "RequestSmsCode"]);

/** The credentials of whom a method is for. */
export function callerOf(method: DescMethod, { app, owner }: Pick<World, "app" | "owner">): Credentials {
  switch (method.parent.name) {
    case "OperatorService":
      return bearer(app.operatorToken);
    case "AdminService":
      return bearer(app.serviceKey);
    case "ServerService":
      return {};
    default:
      return OPEN_TO_ALL.has(method.name) ? {} : bearer(owner.token);
  }
}

const pemOf = (key: KeyObject): string => key.export({ type: "pkcs8", format: "pem" }).toString();
const P8 = pemOf(generateKeyPairSync("ec", { namedCurve: "prime256v1" }).privateKey);

let account: string | undefined;
/** Made when it is asked for: an RSA key takes a moment. */
function serviceAccount(): string {
  account ??= JSON.stringify({
    project_id: "project-one",
    client_email: "push@example.org",
    private_key: pemOf(generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey),
  });
  return account;
}

const short = () => randomUUID().slice(0, 12);

const PEM = `-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=
-----END PUBLIC KEY-----
`;
