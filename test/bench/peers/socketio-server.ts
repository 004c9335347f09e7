/** The peer: chat on Socket.IO and SQLite, as an experienced user of both would write it. Run by the bench as a process of its own. */
import { randomUUID } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Server, type Socket } from "socket.io";
import { openChatStore, pairOf } from "./chat-store.js";
import { createGroupCommit } from "./group-commit.js";
import type { ClientEvents, ServerEvents } from "./socketio-events.js";
import { verifyToken } from "./token.js";

interface SocketData {
  user: string;
}

const { CHAT_DATABASE: path, CHAT_SECRET: secret, CHAT_PAGES: pages } = process.env;
if (!path || !secret) throw new Error("CHAT_DATABASE and CHAT_SECRET must be set");
const maxTextLength = 8_192;
const maxListed = 1_000;
const store = openChatStore(path, { pages: pages === "yes" });
const commit = createGroupCommit(store);
const http = createServer();
const io = new Server<ClientEvents, ServerEvents, Record<string, never>, SocketData>(http, {
  transports: ["websocket"],
  serveClient: false,
  perMessageDeflate: false,
});

io.use((socket, next) => {
  const user = verifyToken(socket.handshake.auth.token, secret);
  if (user === undefined) return next(new Error("unauthenticated"));
  socket.data.user = user;
  next();
});

io.on("connection", (socket) => {
  const { user } = socket.data;
  socket.join([`user:${user}`, ...store.groupsOf(user).map((id) => `group:${id}`)]);
  socket.on("send", (message, answer) => {
    if (typeof answer !== "function") return;
    const { to, text, clientId } = message ?? {};
    const conversation = conversationOf(socket, to);
    if (conversation === undefined) return answer({ error: "not_found" });
    if (typeof text !== "string" || text === "" || text.length > maxTextLength) return answer({ error: "bad_text" });
    if (typeof clientId !== "string" || clientId.length > 64) return answer({ error: "bad_client_id" });
    commit(
      { sender: user, conversation, clientId, text },
      {
        stored({ repeated, ...stored }) {
          if (!repeated) io.to(to).emit("message", stored);
          answer({ seq: stored.seq, time: stored.time });
        },
        failed: () => answer({ error: "storage" }),
      },
    );
  });
  socket.on("missed", ({ of, after, limit }, answer) => {
    const conversation = conversationOf(socket, of);
    if (conversation === undefined) return answer({ error: "not_found" });
    if (!isWhole(after) || !isWhole(limit)) return answer({ error: "bad_place" });
    answer({ messages: store.after(conversation, after, Math.min(limit, maxListed)) });
  });
  socket.on("page", ({ of, before, limit }, answer) => {
    const conversation = conversationOf(socket, of);
    if (conversation === undefined) return answer({ error: "not_found" });
    if (!isWhole(before) || !isWhole(limit)) return answer({ error: "bad_place" });
    answer({ messages: store.before(conversation, before, Math.min(limit, maxListed)) });
  });
  socket.on("createGroup", (members, answer) => {
    const id = randomUUID();
    store.createGroup(id, [user, ...members]);
    io.in([user, ...members].map((member) => `user:${member}`)).socketsJoin(`group:${id}`);
    answer({ id });
  });
});

const isWhole = (value: unknown): boolean => Number.isSafeInteger(value);

/** The conversation behind the room a message is sent to: a member's group, or the pair of two users. */
function conversationOf(socket: Socket<ClientEvents, ServerEvents, Record<string, never>, SocketData>, to: unknown) {
  if (typeof to !== "string" || to.length > 256) return undefined;
  if (to.startsWith("group:")) return socket.rooms.has(to) ? to : undefined;
  if (!to.startsWith("user:")) return undefined;
  return pairOf(socket.data.user, to.slice(5));
}

http.listen(0, "127.0.0.1", () => {
  console.log(JSON.stringify({ url: `http://127.0.0.1:${(http.address() as AddressInfo).port}`, secret }));
});

process.on("SIGTERM", () => {
  void io.close().then(() => store.close());
});
