import { once } from "node:events";
import http2 from "node:http2";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  SubscribeRequestSchema,
  type SubscribeResponse,
  SubscribeResponseSchema,
} from "@parley/proto/parley/v1/message_service_pb.js";
import type { TestUser } from "./clients.js";

/** A Subscribe stream over a bare HTTP/2 connection of its own, which reads only when it is told to. */
export interface RawStream {
  /** Reads from now on; before that the client takes nothing off its connection. */
  read(): void;
  /** Takes nothing off its connection again. */
  stall(): void;
  /** What was read so far. */
  frames: SubscribeResponse["frame"][];
  /** The connection ended. */
  closed: Promise<unknown>;
  /** Leaves: by a reset of the stream, by a close of the connection, or by cutting it. */
  leave(how: "reset" | "close" | "cut"): void;
}

/** Opens a stream and waits for its first bytes, which it leaves unread. */
export async function openRawStream(url: string, user: Pick<TestUser, "token">, cursor = ""): Promise<RawStream> {
  const session = http2.connect(url);
  session.on("error", () => undefined);
  const request = session.request({
    ":method": "POST",
    ":path": "/parley.v1.MessageService/Subscribe",
    "content-type": "application/connect+proto",
    "connect-protocol-version": "1",
    authorization: `Bearer ${user.token}`,
  });
  request.on("error", () => undefined);
  const body = toBinary(SubscribeRequestSchema, create(SubscribeRequestSchema, { cursor }));
  const head = Buffer.alloc(5);
  head.writeUInt32BE(body.length, 1);
  request.end(Buffer.concat([head, body]));
  const frames: SubscribeResponse["frame"][] = [];
  const closed = once(session, "close");
  await once(request, "response");
  let rest = Buffer.alloc(0);
  const take = (chunk: Buffer) => {
    rest = Buffer.concat([rest, chunk]);
    while (rest.length >= 5 && rest.length >= 5 + rest.readUInt32BE(1)) {
      const end = 5 + rest.readUInt32BE(1);
      // Flag 2 marks Connect's own end of the stream.
      if (rest[0] === 0) frames.push(fromBinary(SubscribeResponseSchema, rest.subarray(5, end)).frame);
      rest = rest.subarray(end);
    }
  };
  return {
    frames,
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
