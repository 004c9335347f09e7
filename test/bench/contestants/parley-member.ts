import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { type CallOptions, type Client, createClient } from "@connectrpc/connect";
import { AuthService } from "@parley/proto/parley/v1/auth_service_pb.js";
import { GroupService } from "@parley/proto/parley/v1/group_service_pb.js";
import { HistoryService } from "@parley/proto/parley/v1/history_service_pb.js";
import { MessageService } from "@parley/proto/parley/v1/message_service_pb.js";
import type { Credential, DayPlace, JoinOptions, Member } from "../contestant.js";
import type { ReadyLine } from "../server-process.js";
import { inTurn } from "../stage.js";
import { createBatcher } from "./batcher.js";
import { openReceiver, toReceived, untilLetIn } from "./parley-receiver.js";
import { allowGroupOf, developmentApp, toPeer } from "./parley-server.js";
import { openTransport, type Protocol } from "./parley-transport.js";

/** Whether a client sends each message by SendMessage, or what waits together by SendMessages, up to 32. */
export type Sending = "single" | "batched";

const most = 32;
const loginsAtOnce = 50;

/** A user with a connection of its own and, when it receives, a stream. */
export async function joinParley(
  server: ReadyLine,
  options: JoinOptions,
  protocol: Protocol,
  sending: Sending,
): Promise<Member> {
  const { userId, receive } = options;
  let line = openTransport(protocol, server.url);
  const token = await login(createClient(AuthService, line.transport), server, userId);
  const headers = { authorization: `Bearer ${token}` };
  const listen = async (from?: string) =>
    receive && (await openReceiver(createClient(MessageService, line.transport), headers, options, from));
  let receiver = await listen();
  const history = createClient(HistoryService, line.transport);

  async function leave(): Promise<void> {
    receiver?.close();
    line.close();
  }

  return {
    userId,
    send: senderOf(createClient(MessageService, line.transport), { headers }, sending),
    async createGroup(others) {
      await allowGroupOf(server, others.length + 1);
      const group = createClient(GroupService, line.transport);
      const made = await group.createGroup({ name: "bench", memberUserIds: [...others] }, { headers });
      return { kind: "group", id: made.group?.groupId ?? "" };
    },
    async page(of, beforeMs, pageSize) {
      const position = { case: "beforeTime", value: timestampFromMs(beforeMs) } as const;
      const { messages } = await history.listMessages({ peer: toPeer(of), position, pageSize }, { headers });
      return messages.map(toReceived);
    },
    leave,
    async comeBack() {
      line = openTransport(protocol, server.url);
      receiver = await listen(receiver?.cursor);
    },
    close: leave,
  };
}

function senderOf(client: Client<typeof MessageService>, options: CallOptions, sending: Sending): Member["send"] {
  type Request = ReturnType<typeof toRequest>;
  async function sendOne(request: Request): Promise<number> {
    const answer = await untilLetIn(() => client.sendMessage(request, options));
    return answer.message?.seq ?? 0;
  }
  async function sendAll(requests: Request[]): Promise<number[]> {
    const { results } = await untilLetIn(() => client.sendMessages({ requests }, options));
    // After one that is put off the later ones fail too, so that the order holds.
    const refused = results.findIndex(({ message }) => !message);
    const { error } = results[refused] ?? {};
    if (error && error.code !== "unavailable") throw new Error(`a send was refused: ${error.code} ${error.message}`);
    const stored = refused < 0 ? results : results.slice(0, refused);
    return stored.map(({ message }) => message?.seq ?? 0);
  }
  const send = sending === "batched" ? createBatcher(sendAll, most) : sendOne;
  return (to, text, clientMessageId) => send(toRequest(to, text, clientMessageId));
}

/** A text as SendMessage takes it. */
export function toRequest(to: DayPlace, text: string, clientMessageId: string) {
  return {
    receiver: toPeer(to),
    content: { content: { case: "text" as const, value: { text } } },
    clientMessageId,
  };
}

/** Makes users with a session each, over one connection. */
export async function enrolParley(server: ReadyLine, userIds: readonly string[]): Promise<Credential[]> {
  const { transport, close } = openTransport("connect-h2", server.url);
  const auth = createClient(AuthService, transport);
  const logins = userIds.map((userId) => async () => ({ userId, token: await login(auth, server, userId) }));
  const sessions = await inTurn(logins, loginsAtOnce);
  close();
  return sessions;
}

/** Logs a user in and gives the session's token. */
export async function login(auth: Client<typeof AuthService>, server: ReadyLine, userId: string): Promise<string> {
  const credential = { case: "bareId", value: { userId } } as const;
  return await untilLetIn(async () => (await auth.login({ ...developmentApp(server), credential })).sessionToken);
}
