import http from "node:http";
import http2 from "node:http2";
import { setTimeout as sleep } from "node:timers/promises";
import {
  type Frame,
  frameReader,
  SUBSCRIBE_PATH,
  subscribeBody,
  subscribeHeaders,
  subscribeOver,
} from "../../support/raw-stream.js";
import type { Credential, IdleSession } from "../contestant.js";
import type { Protocol } from "./parley-transport.js";

/** What a refused session waits before it tries again. */
const retryMs = 250;

/** A stream on bare connections of Node, for thousands of generated clients would be a measurement of their own. */
interface OpenStream extends IdleSession {
  on(event: "data", listener: (chunk: Buffer) => void): void;
  once(event: "close", listener: () => void): void;
}

/** Opens the stream of a session on a connection of its own, and resolves when it is live. A server behind its work is asked again. */
export async function attendParley(
  url: string,
  session: Credential,
  protocol: Protocol,
  fail: (error: unknown) => void,
): Promise<IdleSession> {
  const begin = protocol === "connect-h1" ? overH1 : overH2;
  for (;;) {
    const stream = await begin(url, session);
    if (await goesLive(stream, fail)) return stream;
    stream.close();
    await sleep(retryMs);
  }
}

/** Resolves with whether the stream was let in; one that ends later fails the run. */
function goesLive(stream: OpenStream, fail: (error: unknown) => void): Promise<boolean> {
  return new Promise((resolve) => {
    let live = false;
    const take = (frame: Frame): void => {
      if (frame.case !== "caughtUp") return;
      live = true;
      resolve(true);
    };
    stream.on("data", frameReader(take));
    stream.once("close", () => {
      if (live) fail(new Error("an idle stream ended"));
      resolve(false);
    });
  });
}

function overH1(url: string, { token }: Credential): Promise<OpenStream> {
  return new Promise((resolve, reject) => {
    const headers = subscribeHeaders({ token });
    const request = http.request(`${url}${SUBSCRIBE_PATH}`, { method: "POST", agent: false, headers });
    request.on("error", reject);
    request.on("response", (response) => {
      response.on("error", () => {});
      resolve({
        on: (event, listener) => void response.on(event, listener),
        once: (event, listener) => void response.once(event, listener),
        close() {
          response.removeAllListeners("close");
          request.destroy();
        },
      });
    });
    request.end(subscribeBody(""));
  });
}

async function overH2(url: string, { token }: Credential): Promise<OpenStream> {
  const session = http2.connect(url);
  session.on("error", () => {});
  const stream = subscribeOver(session, { token }, "");
  return {
    on: (event, listener) => void stream.on(event, listener),
    once: (event, listener) => void stream.once(event, listener),
    close() {
      stream.removeAllListeners("close");
      session.destroy();
    },
  };
}
