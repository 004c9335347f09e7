import { randomBytes, randomUUID } from "node:crypto";
import type { DescMethod } from "@bufbuild/protobuf";
import { backend, type TestServer, type TestUser, withToken } from "../support/index.js";
import { must, newGroup, newRoom, say, toUser } from "../support/messaging.js";
import { newPhoneNumber } from "../support/sms.js";
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
  service_key_id: string;
}

/** Fills an app with new users and things. */
export async function furnish(app: TestServer): Promise<World> {
  const { admin } = backend(app);
  const [owner, user] = [`owner-${short()}`, `user-${short()}`] as const;
  await admin.batchUpsertUsers({ users: [{ userId: owner }, { userId: user }] });
  const [session, other] = await Promise.all([owner, owner].map((userId) => admin.createSession({ userId })));
  const { sessionToken: token, sessionId } = must(session);
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
    service_key_id: must((await admin.createServiceKey({ name: "k" })).record).serviceKeyId,
  };
  const { cursor } = await self.rpc.message.listEvents({});
  const { nextPageToken: pageToken } = await self.rpc.group.listGroups({ pageSize: 1 });
  return { app, owner: self, ids, cursor, pageToken };
}

/** The id that a field wants, if it wants one of a thing that can be there or not. */
export function idFor(field: { name: string }, ids: Ids): string | undefined {
  const kind = field.name.replace(/ids$/, "id");
  const found = Object.keys(ids).find((name) => kind === name || kind.endsWith(`_${name}`));
  return found === undefined || FOREIGN_NAMES.has(kind) ? undefined : ids[found as keyof Ids];
}

// Names that others give, which are no ids of ours.
const FOREIGN_NAMES = new Set(["external_user_id", "client_message_id"]);

/** Fills the fields of requests with what a world holds, so that its owner's calls succeed. */
export function fillFrom({ app, ids, cursor, pageToken }: World): Fill {
  return (field) => {
    const id = idFor(field, ids);
    if (id !== undefined) return id;
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
      case "username":
      case "client_message_id":
      case "request_id":
      case "installation_id":
        return `x${short()}`;
      case "phone_number":
        return newPhoneNumber();
      case "code":
        return "123456";
      case "avatar_url":
      case "url":
      case "thumbnail_url":
        return "https://example.org/picture";
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
export const TAKES_AWAY = /^(Delete|Remove|Leave|Transfer|Replace|Revoke|Logout|Rotate)/;

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

const short = () => randomUUID().slice(0, 12);

const PEM = `-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=
-----END PUBLIC KEY-----
`;
