import { createClient } from "@connectrpc/connect";
import { AuthService } from "@parley/proto/parley/v1/auth_service_pb.js";
import { GroupService } from "@parley/proto/parley/v1/group_service_pb.js";
import { MessageService } from "@parley/proto/parley/v1/message_service_pb.js";
import type { Contestant, JoinOptions, Member, Target } from "../contestant.js";
import type { ReadyLine } from "../server-process.js";
import type { Workload } from "../workloads.js";
import { createBatcher } from "./batcher.js";
import { openReceiver } from "./parley-receiver.js";
import { developmentApp, launchParley, toPeer } from "./parley-server.js";
import { openTransport, type Protocol } from "./parley-transport.js";

const most = 32;

/** Whether a client sends each message by SendMessage, or what waits together by SendMessages, up to 32. */
type Sending = "single" | "batched";

/** The generated clients, bare: what a client in another language has. */
export function parleyRpc(protocol: Protocol, sending: Sending): Contestant {
  return {
    name: `Parley ${protocol} ${sending}`,
    server: "parley",
    keepsOrder: sending === "batched",
    suits: (workload) => suits(protocol, sending, workload),
    launch: launchParley,
    join: (server, options) => join(server, options, protocol, sending),
  };
}

/** One in flight leaves nothing to batch; of the single senders one shows what batching is worth. */
function suits(protocol: Protocol, sending: Sending, { inFlight }: Workload): boolean {
  if (inFlight === 1) return sending === "single";
  return sending === "batched" || protocol === "connect-h2";
}

async function join(server: ReadyLine, options: JoinOptions, protocol: Protocol, sending: Sending): Promise<Member> {
  const { userId, receive } = options;
  const { transport, close } = openTransport(protocol, server.url);
  const message = createClient(MessageService, transport);
  const credential = { case: "bareId", value: { userId } } as const;
  const auth = createClient(AuthService, transport);
  const { sessionToken } = await auth.login({ ...developmentApp(server), credential });
  const headers = { authorization: `Bearer ${sessionToken}` };
  const receiver = receive && (await openReceiver(message, headers, options));

  async function sendOne(request: ReturnType<typeof toRequest>): Promise<number> {
    const answer = await message.sendMessage(request, { headers });
    return answer.message?.seq ?? 0;
  }
  async function sendAll(requests: ReturnType<typeof toRequest>[]): Promise<number[]> {
    const { results } = await message.sendMessages({ requests }, { headers });
    return results.map(({ message: stored, error }) => {
      if (!stored) throw new Error(`a send was refused: ${error?.code} ${error?.message}`);
      return stored.seq;
    });
  }
  const send = sending === "batched" ? createBatcher(sendAll, most) : sendOne;

  return {
    userId,
    send: (to, text, clientMessageId) => send(toRequest(to, text, clientMessageId)),
    async createGroup(others) {
      const group = createClient(GroupService, transport);
      const made = await group.createGroup({ name: "bench", memberUserIds: [...others] }, { headers });
      return { kind: "group", id: made.group?.groupId ?? "" };
    },
    async close() {
      receiver?.close();
      close();
    },
  };
}

function toRequest(to: Target, text: string, clientMessageId: string) {
  return {
    receiver: toPeer(to),
    content: { content: { case: "text" as const, value: { text } } },
    clientMessageId,
  };
}
