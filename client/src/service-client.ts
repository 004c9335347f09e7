import type { Transport } from "@connectrpc/connect";
import { type Admin, createAdmin } from "./admin.js";
import { type Attachments, createAttachments } from "./attachments.js";
import type { Clock } from "./clock.js";
import { systemClock } from "./clock.js";
import { type Conversations, createConversations } from "./conversations.js";
import { ParleyError } from "./errors.js";
import { createFriends, type Friends } from "./friends.js";
import { createGroups, type Groups } from "./groups.js";
import { createHistory, type History } from "./history.js";
import { createMessages, type Messages } from "./messages.js";
import { createOutbox, type Outbox } from "./outbox.js";
import type { Platform } from "./platform.js";
import { putByFetch } from "./put-bytes.js";
import { createRooms, type Rooms } from "./rooms.js";
import { bearer, createRpc, createServiceRpc, type Rpc, type ServiceRpc, withHeaders } from "./rpc.js";
import { createUsers, type Users } from "./users.js";

/** How a service client is made. */
export interface ServiceClientOptions {
  /** The address of the server, such as https://chat.example.com. */
  readonly baseUrl: string;
  /** A service key of the app: a secret that must never reach a browser. */
  readonly serviceKey: string;
  /** The time after which a send that cannot be delivered fails, in milliseconds; by default one minute. */
  readonly sendExpiry?: number;
  /** The way to the server; by default that of Node. */
  readonly platform?: Platform;
  /** Time and chance, for tests. */
  readonly clock?: Clock;
}

/** The calls of the app's backend in the name of one user. */
export interface ActingUser {
  readonly messages: Messages;
  readonly attachments: Attachments;
  readonly history: History;
  readonly conversations: Conversations;
  readonly friends: Friends;
  readonly groups: Groups;
  readonly rooms: Rooms;
  readonly users: Users;
  /** Every generated service in the name of the user. */
  readonly rpc: Rpc;
}

/** The app's backend. */
export interface ServiceClient {
  /** Acts for one user. All that is sent for a user leaves in order, several sends in one call. */
  as(userId: string): ActingUser;
  readonly admin: Admin;
  /** Uploads for system messages, and every attachment of the app. */
  readonly attachments: Attachments;
  /** Groups, with the rights of an owner. */
  readonly groups: Groups;
  /** Rooms, with the rights of a creator. */
  readonly rooms: Rooms;
  readonly users: Users;
  /** Every generated service, with the service key. */
  readonly rpc: ServiceRpc;
  /** Ends the client; sends without an outcome fail with CLOSED. */
  close(): void;
}

/** Makes a service client on the given platform; `createServiceClient` fills it in. */
export function buildServiceClient(options: ServiceClientOptions, platform: Platform): ServiceClient {
  const { serviceKey, sendExpiry = 60_000, clock = systemClock } = options;
  const baseUrl = options.baseUrl.replace(/\/+$/, "");
  const outboxes = new Map<string, Outbox>();
  const transport = platform.createTransport(baseUrl, [withHeaders(() => bearer(serviceKey))]);
  const rpc = createServiceRpc(transport);
  const put = platform.put ?? putByFetch;

  /** The outbox of a user lives as long as it holds a send: order matters only among sends that overlap. */
  function outboxOf(userId: string, userRpc: Rpc): Outbox {
    const known = outboxes.get(userId);
    if (known) return known;
    const outbox = createOutbox({
      call: async (requests) => (await userRpc.message.sendMessages({ requests })).results,
      clock,
      waitMs: 300,
      expireAfterMs: sendExpiry,
      onError: () => {},
      onEmpty: () => outboxes.delete(userId),
    });
    outbox.open();
    outboxes.set(userId, outbox);
    return outbox;
  }

  return {
    as(userId) {
      const userRpc = createRpc(actingFor(transport, userId));
      // Made when asked for: most calls of `as` need one of them.
      return {
        get messages() {
          return createMessages(userRpc, clock, () => outboxOf(userId, userRpc), createAttachments(userRpc, put));
        },
        get attachments() {
          return createAttachments(userRpc, put);
        },
        get history() {
          return createHistory(userRpc);
        },
        get conversations() {
          return createConversations(userRpc);
        },
        get friends() {
          return createFriends(userRpc);
        },
        get groups() {
          return createGroups(userRpc);
        },
        get rooms() {
          return createRooms(userRpc);
        },
        get users() {
          return createUsers(userRpc);
        },
        rpc: userRpc,
      };
    },
    admin: createAdmin(rpc),
    attachments: createAttachments(rpc, put),
    groups: createGroups(rpc),
    rooms: createRooms(rpc),
    users: createUsers(rpc),
    rpc,
    close() {
      const closed = new ParleyError("CLOSED", "the service client was closed", { retryable: true });
      for (const outbox of [...outboxes.values()]) outbox.abandon(closed);
      outboxes.clear();
    },
  };
}

/** The same connection, with the name of the user on every call. */
function actingFor(transport: Transport, userId: string): Transport {
  const named = (header: HeadersInit | undefined): Headers => {
    const headers = new Headers(header);
    headers.set("parley-acting-user", userId);
    return headers;
  };
  return {
    unary: (method, signal, timeoutMs, header, ...rest) =>
      transport.unary(method, signal, timeoutMs, named(header), ...rest),
    stream: (method, signal, timeoutMs, header, ...rest) =>
      transport.stream(method, signal, timeoutMs, named(header), ...rest),
  };
}
