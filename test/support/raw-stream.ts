import { once } from "node:events";
import http2, { type ClientHttp2Session, type ClientHttp2Stream } from "node:http2";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  SubscribeRequestSchema,
  type SubscribeResponse,
  SubscribeResponseSchema,
} from "@parley/proto/parley/v1/message_service_pb.js";
import type { TestUser } from "./clients.js";
import { END_OF_STREAM, envelope, envelopeReader } from "./envelopes.js";

export type Frame = SubscribeResponse["frame"];
type Holder = Pick<TestUser, "token">;

/** A Subscribe stream over a bare HTTP/2 connection of its own, which reads only when it is told to. */
export interface RawStream {
  /** Reads from now on; before that the client takes nothing off its connection. */
  read(): void;
  /** Takes nothing off its connection again. */
  stall(): void;
  /** What was read so far. */
  frames: Frame[];
  /** The stream ended, and all of it was read. */
  ended: Promise<unknown>;
  /** The connection ended. */
  closed: Promise<unknown>;
  /** Leaves: by a reset of the stream, by a close of the connection, or by cutting it. */
  leave(how: "reset" | "close" | "cut"): void;
}

/** Opens a stream and waits for its first bytes, which it leaves unread. */
export async function openRawStream(url: string, user: Holder, cursor = ""): Promise<RawStream> {
  const session = http2.connect(url);
  session.on("error", () => undefined);
  const request = subscribeOver(session, user, cursor);
  const frames: Frame[] = [];
  const take = frameReader((frame) => frames.push(frame));
  const closed = once(session, "close");
  const ended = new Promise((resolve) => request.once("close", resolve));
  await once(request, "response");
  return {
    frames,
    ended,
    closed,
    read() {
      if (request.listenerCount("data") === 0) request.on("data", take);
      request.resume();
    },
    stall: () => void request.pause(),
    leave(how) {
      if (how === "reset") request.close(http2.constants.NGHTTP2_CANCEL);
      if (how === "cut") session.destroy();
      else session.close();
    },
  };
}

/** Begins a Subscribe on an open connection, which other streams may share. */
export function subscribeOver(session: ClientHttp2Session, user: Holder, cursor: string): ClientHttp2Stream {
  const request = session.request({ ":method": "POST", ":path": SUBSCRIBE_PATH, ...subscribeHeaders(user) });
  request.on("error", () => undefined);
  request.end(subscribeBody(cursor));
  return request;
}

export const SUBSCRIBE_PATH = "/parley.v1.MessageService/Subscribe";

export const subscribeHeaders = ({ token }: Holder) => ({
  "content-type": "application/connect+proto",
  "connect-protocol-version": "1",
  authorization: `Bearer ${token}`,
});

/** The one message of a Subscribe in Connect's envelope. */
export function subscribeBody(cursor: string): Buffer {
  return envelope(toBinary(SubscribeRequestSchema, create(SubscribeRequestSchema, { cursor })));
}

/** Puts chunks together to frames; `onEnd` is told Connect's own end of the stream, as JSON. */
export function frameReader(onFrame: (frame: Frame) => void, onEnd?: (json: string) => void): (chunk: Buffer) => void {
  const read = envelopeReader();
  return (chunk) => {
    for (const { flags, data } of read(chunk)) {
      if (flags !== END_OF_STREAM) onFrame(fromBinary(SubscribeResponseSchema, data).frame);
      else onEnd?.(data.toString());
    }
  };
}
