import type { Socket } from "node:net";

export type Protocol = "h1" | "h2";

/** What every HTTP/2 client sends first (RFC 9113, 3.4). No HTTP/1.1 request begins like it. */
const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

/** The protocol that these first bytes speak, or undefined while they could still be either. */
export function protocolOf(head: Buffer): Protocol | undefined {
  const known = Math.min(head.length, preface.length);
  if (head.compare(preface, 0, known, 0, known) !== 0) return "h1";
  return head.length < preface.length ? undefined : "h2";
}

/**
 * Reads just enough of a fresh socket to tell its protocol and puts the bytes back. A socket that does not say
 * in time is destroyed. The socket must not be paused: HTTP/1.1 wants it flowing.
 */
export function sniff(socket: Socket, timeoutMs: number, found: (protocol: Protocol) => void): void {
  let head: Buffer = Buffer.alloc(0);
  const deadline = setTimeout(() => socket.destroy(), timeoutMs);
  const stop = (): void => clearTimeout(deadline);
  const read = (): void => {
    const chunk: Buffer | null = socket.read();
    if (chunk === null) return;
    head = head.length === 0 ? chunk : Buffer.concat([head, chunk]);
    const protocol = protocolOf(head);
    if (protocol === undefined) return;
    stop();
    socket.off("readable", read);
    socket.off("close", stop);
    socket.unshift(head);
    found(protocol);
  };
  socket.on("readable", read);
  socket.once("close", stop);
}
