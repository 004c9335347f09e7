import type { Server } from "node:http";
import type { Socket } from "node:net";
import type { PortError, PortErrors } from "../ports.js";
import { rawError } from "./message.js";

const errorsByCode: Readonly<Record<string, PortError>> = {
  HPE_HEADER_OVERFLOW: "headers_too_large",
  ERR_HTTP_REQUEST_TIMEOUT: "too_late",
};

/** Answers what HTTP/1.1's parser refuses, and lets go of the connection: nobody knows where its next request would begin. */
export function answerClientErrors(server: Server, errors: PortErrors): void {
  const answering = new WeakMap<Socket, number>();
  const count = (socket: Socket, by: number) => answering.set(socket, (answering.get(socket) ?? 0) + by);
  server.on("request", (req, res) => {
    const { socket } = req;
    count(socket, 1);
    res.once("close", () => count(socket, -1));
  });
  server.on("clientError", (error: NodeJS.ErrnoException, socket: Socket) => {
    // An answer under way would be mixed up with this one.
    if (!socket.writable || error.code === "ECONNRESET" || (answering.get(socket) ?? 0) > 0) socket.destroy();
    else {
      socket.write(rawError(errors, errorsByCode[error.code ?? ""] ?? "malformed"));
      socket.destroySoon();
    }
  });
}
