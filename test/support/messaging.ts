import { randomUUID } from "node:crypto";
import type { DescMessage, JsonObject, MessageInitShape } from "@bufbuild/protobuf";
import type { Timestamp } from "@bufbuild/protobuf/wkt";
import type { ChatMessage } from "@parley/proto/parley/v1/chat_message_pb.js";
import type { SendMessageRequestSchema } from "@parley/proto/parley/v1/message_service_pb.js";
import type { StreamEvent } from "@parley/proto/parley/v1/stream_event_pb.js";
import { type Address, anonymous, backend, newUser, operator, type Rpc, type TestUser, withToken } from "./clients.js";
import type { TestServer } from "./server.js";

/** What a message may be made from, without the form that is one already. */
export type Init<T extends DescMessage> = Exclude<MessageInitShape<T>, { $typeName: string }>;
export type SendInit = Init<typeof SendMessageRequestSchema>;
type Speaker = Pick<TestUser, "rpc">;

export const toUser = (value: string) => ({ peer: { case: "userId" as const, value } });
export const toGroup = (value: string) => ({ peer: { case: "groupId" as const, value } });
export const toRoom = (value: string) => ({ peer: { case: "roomId" as const, value } });
export const toSystem = { peer: { case: "system" as const, value: {} } };
export const toEveryone = { peer: { case: "everyone" as const, value: {} } };
export type To = ReturnType<typeof toUser | typeof toGroup | typeof toRoom> | typeof toSystem | typeof toEveryone;

export const text = (value: string) => ({ content: { case: "text" as const, value: { text: value } } });

/** Sends a text and gives the whole answer. */
export const send = (from: Speaker, receiver: To, words: string, rest: SendInit = {}) =>
  from.rpc.message.sendMessage({ receiver, content: text(words), ...rest });

/** Sends a text and gives the message. */
export async function say(from: Speaker, receiver: To, words: string, rest: SendInit = {}): Promise<ChatMessage> {
  return must((await send(from, receiver, words, rest)).message);
}

/** A value that is there, or an error. */
export function must<T>(value: T | undefined): T {
  if (value === undefined) throw new Error("something expected is not there");
  return value;
}

export const count = (length: number): number[] => Array.from({ length }, (_, at) => at + 1);
export const millis = (time: Timestamp | undefined): number =>
  Number(must(time).seconds) * 1000 + must(time).nanos / 1e6;

/** The text of a message. */
export function textOf(message: ChatMessage | undefined): string {
  const content = message?.content?.content;
  return content?.case === "text" || content?.case === "notice" ? content.value.text : "";
}

/** The message of an event of one. */
export function messageOf({ event }: StreamEvent): ChatMessage | undefined {
  return event.case === "messageCreated" || event.case === "systemMessage" ? event.value.message : undefined;
}

/** The texts of the messages among events, in order. */
export const textsOf = (events: readonly StreamEvent[]): string[] =>
  events.flatMap((event) => (messageOf(event) === undefined ? [] : [textOf(messageOf(event))]));

/** Whether an event is of a message with this text. */
export const says = (words: string) => (event: StreamEvent) => textOf(messageOf(event)) === words;

export async function newUsers(server: TestServer, names: readonly string[]): Promise<TestUser[]> {
  return await Promise.all(names.map((name) => newUser(server, name)));
}

/** Two users. */
export async function newPair(server: TestServer): Promise<[TestUser, TestUser]> {
  return (await newUsers(server, ["tom", "jerry"])) as [TestUser, TestUser];
}

export async function newGroup(
  owner: TestUser,
  members: readonly TestUser[],
  rest: { historyForNewMembers?: boolean } = {},
): Promise<string> {
  const memberUserIds = members.map((member) => member.userId);
  return must((await owner.rpc.group.createGroup({ name: "group", memberUserIds, ...rest })).group).groupId;
}

export async function newRoom(creator: TestUser, members: readonly TestUser[]): Promise<string> {
  const memberUserIds = members.map((member) => member.userId);
  return must((await creator.rpc.room.createRoom({ name: "room", memberUserIds })).room).roomId;
}

/** One more session of a user, by the backend: logins are few in five minutes. */
export async function newDevice(server: Address, { userId }: Pick<TestUser, "userId">): Promise<TestUser> {
  const { sessionId, sessionToken: token } = await backend(server).admin.createSession({ userId });
  return { userId, sessionId, token, rpc: withToken(server, token) };
}

/** A guest with a session. */
export async function newGuest(server: TestServer, attributes?: JsonObject): Promise<TestUser> {
  const answer = await anonymous(server).auth.login({
    appId: server.appId,
    clientKey: server.clientKey,
    credential: { case: "guest", value: attributes === undefined ? {} : { attributes } },
  });
  const { userId, sessionId, sessionToken: token } = answer;
  return { userId, sessionId, token, rpc: withToken(server, token) };
}

/** A second app on the same server, seen as a server of its own. */
export async function otherApp(server: TestServer, settings: object = {}): Promise<TestServer> {
  const made = await operator(server).createApp({ name: "other", settings: { allowBareIdLogin: true, ...settings } });
  return { ...server, appId: must(made.app).appId, clientKey: made.clientKey, serviceKey: made.serviceKey };
}

/** All durable events of a user after a cursor, and the cursor after them. */
export async function eventsAfter(rpc: Rpc, cursor: string): Promise<{ events: StreamEvent[]; cursor: string }> {
  const events: StreamEvent[] = [];
  for (let at = cursor; ; ) {
    const page = await rpc.message.listEvents({ cursor: at, pageSize: 100 });
    events.push(...page.events);
    if (page.cursor === at) return { events, cursor: at };
    at = page.cursor;
  }
}

/** What a stream that was refused failed with, to be awaited by `refusal`. */
export async function streamFailure(user: Pick<TestUser, "rpc">, request: { cursor?: string } = {}): Promise<void> {
  for await (const { frame } of user.rpc.message.subscribe(request)) throw new Error(`a frame came: ${frame.case}`);
}

/** The sum of a metric over its labels, as /metrics shows it. */
export async function metric(server: Pick<TestServer, "url">, name: string): Promise<number> {
  const lines = (await (await fetch(`${server.url}/metrics`)).text()).split("\n");
  const found = lines.filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`));
  return found.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" ") + 1)), 0);
}

/** A name that no other test has. */
export const subject = (name: string): string => `${name}${randomUUID().slice(0, 12)}`;
