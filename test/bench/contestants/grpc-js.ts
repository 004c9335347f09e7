import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { join } from "node:path";
import * as grpc from "@grpc/grpc-js";
import type { Contestant, Credential, Member, Received, Target } from "../contestant.js";
import type { Told } from "../peers/chat-store.js";
import { type ChatCalls, loadChat } from "../peers/grpc-contract.js";
import { signToken } from "../peers/token.js";
import { transpilePeers } from "../peers/transpile.js";
import { chatDatabase, seedChatStore } from "./chat-seed.js";

const mostListed = 1_000;
const secret = randomBytes(32).toString("base64url");
const service = loadChat();

/** The same chat and the same store as the Socket.IO peer's, behind gRPC. */
export const grpcJs: Contestant = {
  name: "grpc-js + better-sqlite3",
  server: "grpc-js",
  // Each message is a call of its own.
  keepsOrder: false,
  suits: ({ kind }) => kind !== "day" && kind !== "start",
  launch(dataDir, { kind }) {
    transpilePeers(dataDir);
    const env = {
      CHAT_DATABASE: chatDatabase(dataDir),
      CHAT_SECRET: secret,
      CHAT_PAGES: kind === "pages" ? "yes" : "no",
    };
    return { script: join(dataDir, "grpc-server.js"), args: [], env };
  },
  async join({ url }, { userId, receive, fail }) {
    let line = openLine(url, { userId, token: signToken(userId, secret) });
    let last = 0;
    const tell = ({ seq, text }: Told): void => {
      last = seq;
      receive?.({ sequence: seq, text });
    };
    if (receive) await line.listen(tell, fail);
    return {
      ...memberOf(userId, () => line),
      async comeBack(group) {
        line = openLine(url, { userId, token: signToken(userId, secret) });
        await line.listen(tell, fail);
        const { messages } = await line.call("Missed", { of: roomOf(group), after: last, limit: mostListed });
        for (const message of messages) tell(message);
      },
    };
  },
  enrol: async (_server, userIds) => userIds.map((userId) => ({ userId, token: signToken(userId, secret) })),
  async attend({ url }, session, fail) {
    const line = openLine(url, session);
    await line.listen(() => {}, fail);
    return line;
  },
  seed: seedChatStore,
};

type Line = ReturnType<typeof openLine>;

function methodOf(name: keyof ChatCalls | "Listen") {
  const method = service[name];
  if (!method) throw new RangeError(`no method ${name}`);
  return method;
}

/** A connection of its own; grpc-js would share one between clients. */
function openLine(url: string, { token }: Credential) {
  const client = new grpc.Client(url, grpc.credentials.createInsecure(), { "grpc.use_local_subchannel_pool": 1 });
  const metadata = new grpc.Metadata();
  metadata.set("token", token);
  let stream: grpc.ClientReadableStream<Told> | undefined;
  let closed = false;
  return {
    call: <Name extends keyof ChatCalls>(name: Name, request: ChatCalls[Name][0]): Promise<ChatCalls[Name][1]> =>
      new Promise((resolve, reject) => {
        const { path, requestSerialize, responseDeserialize } = methodOf(name);
        client.makeUnaryRequest(path, requestSerialize, responseDeserialize, request, metadata, (error, answer) => {
          if (error) reject(error);
          else resolve(answer);
        });
      }),
    async listen(tell: (message: Told) => void, fail: (error: unknown) => void): Promise<void> {
      const { path, requestSerialize, responseDeserialize } = methodOf("Listen");
      stream = client.makeServerStreamRequest(path, requestSerialize, responseDeserialize, {}, metadata);
      stream.on("data", tell);
      stream.on("error", (error) => {
        if (!closed) fail(error);
      });
      await once(stream, "metadata");
    },
    close(): void {
      closed = true;
      stream?.cancel();
      client.close();
    },
  };
}

function memberOf(userId: string, line: () => Line): Omit<Member, "comeBack"> {
  const leave = async (): Promise<void> => line().close();
  return {
    userId,
    send: async (to, text, clientId) => (await line().call("Send", { to: roomOf(to), text, clientId })).seq,
    async createGroup(others) {
      const { id } = await line().call("CreateGroup", { members: [...others] });
      return { kind: "group", id };
    },
    async page(of, before, limit) {
      const { messages } = await line().call("Page", { of: roomOf(of), before, limit });
      return messages.map(({ seq, text }): Received => ({ sequence: seq, text }));
    },
    leave,
    close: leave,
  };
}

const roomOf = ({ kind, id }: Target): string => `${kind}:${id}`;
