import { constants, type Http2Stream, type ServerHttp2Session } from "node:http2";
import type { Socket } from "node:net";
import type { HttpLimits } from "./limits.js";

/**
 * Node gives an HTTP/2 session no time-outs at all. This ends one that has no open stream, one whose peer resets its
 * streams too often, and one whose peer is dead: written heartbeats do not find that (they vanish in buffers for
 * hours), a PING with a deadline does. It also finds sessions that Node itself has given up: after most errors of
 * protocol it says GOAWAY, reads no more, and tells nobody.
 */
export function watchSession(session: ServerHttp2Session, socket: Socket, limits: HttpLimits): void {
  let streams = 0;
  let silence: NodeJS.Timeout | undefined;

  const kill = (): void => {
    session.destroy();
    socket.destroy();
  };
  let idle = setTimeout(() => session.close(), limits.sessionIdleTimeoutMs);

  let resetsLeft = limits.maxStreamResets;
  let resetAt = performance.now();
  const countReset = (): void => {
    const now = performance.now();
    resetsLeft += ((now - resetAt) / 1000) * limits.streamResetsPerSecond;
    resetsLeft = Math.min(resetsLeft, limits.maxStreamResets) - 1;
    resetAt = now;
    if (resetsLeft >= 0 || session.destroyed) return;
    session.destroy(undefined, constants.NGHTTP2_ENHANCE_YOUR_CALM);
    socket.destroySoon();
  };

  session.on("stream", (stream: Http2Stream) => {
    // A stream reset at once is destroyed before it is announced: its "close" may be past.
    if (stream.destroyed) {
      countReset();
      return;
    }
    streams += 1;
    clearTimeout(idle);
    stream.once("close", () => {
      if (stream.rstCode !== constants.NGHTTP2_NO_ERROR) countReset();
      streams -= 1;
      if (streams === 0 && !socket.destroyed) idle = setTimeout(() => session.close(), limits.sessionIdleTimeoutMs);
    });
  });

  const beat = setInterval(() => {
    // A closed session waits for the peer to close the socket; a peer that does not is not waited for.
    if (session.destroyed) return kill();
    const heard = socket.bytesRead;
    clearTimeout(silence);
    // On a slow link the answer may queue behind data, so anything heard since counts as a sign of life.
    // Checked after one more round of reading: when the process itself was held up, answers wait unread.
    silence = setTimeout(setImmediate, limits.pingTimeoutMs, () => socket.bytesRead === heard && kill());
    session.ping((error) => error === null && clearTimeout(silence));
  }, limits.pingIntervalMs);

  session.on("error", kill);
  socket.once("close", () => {
    clearTimeout(idle);
    clearTimeout(silence);
    clearInterval(beat);
  });
}
