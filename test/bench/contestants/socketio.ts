import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { io, type Socket } from "socket.io-client";
import type { Contestant, Member, Received, Target } from "../contestant.js";
import type { Told } from "../peers/chat-store.js";
import type { ClientEvents, ServerEvents } from "../peers/socketio-events.js";
import { signToken } from "../peers/token.js";
import { transpilePeers } from "../peers/transpile.js";
import { chatDatabase, seedChatStore } from "./chat-seed.js";

type Chat = Socket<ServerEvents, ClientEvents>;

const mostListed = 1_000;
const secret = randomBytes(32).toString("base64url");

/** The row that all others are compared with. */
export const socketio: Contestant = {
  name: "Socket.IO + better-sqlite3",
  server: "socket.io",
  keepsOrder: true,
  suits: ({ kind }) => kind !== "day",
  launch(dataDir, { kind }) {
    transpilePeers(dataDir);
    const pages = kind === "pages" || kind === "start" ? "yes" : "no";
    const env = { CHAT_DATABASE: chatDatabase(dataDir), CHAT_SECRET: secret, CHAT_PAGES: pages };
    return { script: join(dataDir, "socketio-server.js"), args: [], env };
  },
  async join({ url }, { userId, receive, fail }) {
    const socket = await connect(url, { userId, token: signToken(userId, secret) }, fail);
    let last = 0;
    const tell = ({ seq, text }: Told): void => {
      last = seq;
      receive?.({ sequence: seq, text });
    };
    if (receive) socket.on("message", tell);
    return {
      ...memberOf(userId, socket),
      async comeBack(group) {
        const connected = new Promise<void>((resolve) => socket.once("connect", resolve));
        socket.connect();
        await connected;
        const missed = { of: roomOf(group), after: last, limit: mostListed };
        for (const message of await listed((answer) => socket.emit("missed", missed, answer))) tell(message);
      },
    };
  },
  enrol: async (_server, userIds) => userIds.map((userId) => ({ userId, token: signToken(userId, secret) })),
  async attend({ url }, session, fail) {
    const socket = await connect(url, session, fail);
    return { close: () => void socket.disconnect() };
  },
  seed: seedChatStore,
};

async function connect(
  url: string,
  { userId, token }: { userId: string; token: string },
  fail: (error: unknown) => void,
): Promise<Chat> {
  const socket: Chat = io(url, { transports: ["websocket"], forceNew: true, reconnection: false, auth: { token } });
  await new Promise<void>((resolve, reject) => socket.once("connect", resolve).once("connect_error", reject));
  socket.on("disconnect", (reason) => {
    if (reason !== "io client disconnect") fail(new Error(`${userId} was disconnected: ${reason}`));
  });
  return socket;
}

function memberOf(userId: string, socket: Chat): Omit<Member, "comeBack"> {
  const leave = async (): Promise<void> => void socket.disconnect();
  return {
    userId,
    send: (to, text, clientId) =>
      new Promise((resolve, reject) => {
        socket.emit("send", { to: roomOf(to), text, clientId }, (result) => {
          if ("error" in result) reject(new Error(`the peer refused a text: ${result.error}`));
          else resolve(result.seq);
        });
      }),
    createGroup: (others) =>
      new Promise<Target>((resolve) => {
        socket.emit("createGroup", [...others], ({ id }) => resolve({ kind: "group", id }));
      }),
    async page(of, before, limit) {
      const messages = await listed((answer) => socket.emit("page", { of: roomOf(of), before, limit }, answer));
      return messages.map(({ seq, text }): Received => ({ sequence: seq, text }));
    },
    leave,
    close: leave,
  };
}

const roomOf = ({ kind, id }: Target): string => `${kind}:${id}`;

function listed(ask: (answer: Parameters<ClientEvents["page"]>[1]) => void): Promise<Told[]> {
  return new Promise((resolve, reject) => {
    ask((result) => {
      if ("error" in result) reject(new Error(`the peer lists nothing: ${result.error}`));
      else resolve(result.messages);
    });
  });
}
