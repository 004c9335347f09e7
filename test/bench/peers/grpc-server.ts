/** A peer: the same chat behind @grpc/grpc-js, as its users would write it. Run by the bench as a process of its own. */
import { randomUUID } from "node:crypto";
import * as grpc from "@grpc/grpc-js";
import { openChatStore, pairOf, type Told } from "./chat-store.js";
import { createGroupCommit } from "./group-commit.js";
import { type ChatCalls, loadChat } from "./grpc-contract.js";
import { verifyToken } from "./token.js";

type Call<Name extends keyof ChatCalls> = grpc.ServerUnaryCall<ChatCalls[Name][0], ChatCalls[Name][1]>;
type Answer<Name extends keyof ChatCalls> = grpc.sendUnaryData<ChatCalls[Name][1]>;
type Stream = grpc.ServerWritableStream<object, Told>;

const { CHAT_DATABASE: path, CHAT_SECRET: secret, CHAT_PAGES: pages } = process.env;
if (!path || !secret) throw new Error("CHAT_DATABASE and CHAT_SECRET must be set");
const maxTextLength = 8_192;
const maxListed = 1_000;
const store = openChatStore(path, { pages: pages === "yes" });
const commit = createGroupCommit(store);
/** The open streams of each user and each group. */
const rooms = new Map<string, Set<Stream>>();
const groups = new Map<string, Set<string>>();

function userOf(call: { metadata: grpc.Metadata }): string {
  const user = verifyToken(call.metadata.get("token")[0], secret as string);
  if (user === undefined) throw refusal(grpc.status.UNAUTHENTICATED);
  return user;
}

const refusal = (code: grpc.status): Error => Object.assign(new Error(grpc.status[code]), { code });

/** The conversation behind a room: a member's group, or the pair of two users. */
function conversationOf(user: string, to: string): string {
  if (to.startsWith("user:")) return pairOf(user, to.slice(5));
  if (!groups.get(to)?.has(user)) throw refusal(grpc.status.NOT_FOUND);
  return to;
}

/** Answers a call, or refuses it. */
function unary<Name extends keyof ChatCalls>(handle: (call: Call<Name>, answer: Answer<Name>) => void) {
  return (call: Call<Name>, answer: Answer<Name>): void => {
    try {
      handle(call, answer);
    } catch (error) {
      answer(error as grpc.ServiceError);
    }
  };
}

function join(room: string, stream: Stream): void {
  const streams = rooms.get(room) ?? new Set();
  rooms.set(room, streams.add(stream));
}

const server = new grpc.Server();
server.addService(loadChat(), {
  Send: unary<"Send">((call, answer) => {
    const sender = userOf(call);
    const { to, text, clientId } = call.request;
    const conversation = conversationOf(sender, to);
    if (text === "" || text.length > maxTextLength || clientId.length > 64) throw refusal(grpc.status.INVALID_ARGUMENT);
    commit(
      { sender, conversation, clientId, text },
      {
        stored({ repeated, ...stored }) {
          if (!repeated) for (const stream of rooms.get(to) ?? []) stream.write(stored);
          answer(null, stored);
        },
        failed: () => answer({ code: grpc.status.UNAVAILABLE }),
      },
    );
  }),
  CreateGroup: unary<"CreateGroup">((call, answer) => {
    const members = [userOf(call), ...call.request.members];
    const id = randomUUID();
    store.createGroup(id, members);
    groups.set(`group:${id}`, new Set(members));
    for (const member of members) for (const stream of rooms.get(`user:${member}`) ?? []) join(`group:${id}`, stream);
    answer(null, { id });
  }),
  Missed: unary<"Missed">((call, answer) => {
    const { of, after, limit } = call.request;
    const conversation = conversationOf(userOf(call), of);
    answer(null, { messages: store.after(conversation, after, Math.min(limit, maxListed)) });
  }),
  Page: unary<"Page">((call, answer) => {
    const { of, before, limit } = call.request;
    const conversation = conversationOf(userOf(call), of);
    answer(null, { messages: store.before(conversation, before, Math.min(limit, maxListed)) });
  }),
  Listen(stream: Stream) {
    const user = userOf(stream);
    const mine = [`user:${user}`, ...store.groupsOf(user).map((id) => `group:${id}`)];
    for (const room of mine) join(room, stream);
    stream.once("close", () => {
      for (const streams of rooms.values()) streams.delete(stream);
    });
    stream.sendMetadata(new grpc.Metadata());
  },
});

server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, port) => {
  if (error) throw error;
  console.log(JSON.stringify({ url: `127.0.0.1:${port}` }));
});

process.on("SIGTERM", () => {
  server.forceShutdown();
  store.close();
});
