import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { io, type Socket } from "socket.io-client";
import type { Contestant, Member, Target } from "../contestant.js";
import type { ClientEvents, ServerEvents } from "../peers/socketio-events.js";
import { signToken } from "../peers/token.js";
import { transpilePeers } from "../peers/transpile.js";

/** The row that all others are compared with. */
export const socketio: Contestant = {
  name: "Socket.IO + better-sqlite3",
  server: "socket.io",
  keepsOrder: true,
  suits: () => true,
  launch(dataDir) {
    transpilePeers(dataDir);
    const secret = randomBytes(32).toString("base64url");
    const env = { CHAT_DATABASE: join(dataDir, "chat.db"), CHAT_SECRET: secret };
    return { script: join(dataDir, "socketio-server.js"), args: [], env };
  },
  async join({ url, secret = "" }, { userId, receive, fail }) {
    const socket: Socket<ServerEvents, ClientEvents> = io(url, {
      transports: ["websocket"],
      forceNew: true,
      reconnection: false,
      auth: { token: signToken(userId, secret) },
    });
    if (receive) socket.on("message", ({ seq, text }) => receive({ sequence: seq, text }));
    await new Promise<void>((resolve, reject) => socket.once("connect", resolve).once("connect_error", reject));
    socket.on("disconnect", (reason) => {
      if (reason !== "io client disconnect") fail(new Error(`${userId} was disconnected: ${reason}`));
    });
    return memberOf(userId, socket);
  },
};

function memberOf(userId: string, socket: Socket<ServerEvents, ClientEvents>): Member {
  return {
    userId,
    send: ({ kind, id }, text, clientId) =>
      new Promise((resolve, reject) => {
        socket.emit("send", { to: `${kind}:${id}`, text, clientId }, (result) => {
          if ("error" in result) reject(new Error(`the peer refused a text: ${result.error}`));
          else resolve(result.seq);
        });
      }),
    createGroup: (others) =>
      new Promise<Target>((resolve) => {
        socket.emit("createGroup", [...others], ({ id }) => resolve({ kind: "group", id }));
      }),
    close: async () => void socket.disconnect(),
  };
}
