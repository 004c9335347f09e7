import type { SubscribeRequest, SubscribeResponse } from "@parley/proto/parley/v1/message_service_pb.js";
import type { StreamEvent } from "@parley/proto/parley/v1/stream_event_pb.js";
import type { TestUser } from "./clients.js";
import { eventually } from "./eventually.js";

/** An open Subscribe stream that keeps all it was sent. */
export interface TestStream {
  frames: SubscribeResponse["frame"][];
  /** The events so far. */
  events(): StreamEvent[];
  /** Waits for a frame of a kind and gives the first. */
  frame<C extends NonNullable<SubscribeResponse["frame"]["case"]>>(
    name: C,
  ): Promise<Extract<SubscribeResponse["frame"], { case: C }>["value"]>;
  /** Waits for an event that fits and gives the first. */
  event(fits: (event: StreamEvent) => boolean): Promise<StreamEvent>;
  /** Resolves when the stream has ended, with what it ended by. */
  ended: Promise<unknown>;
  close(): Promise<void>;
}

/** Opens a stream of a user and waits until it is live. */
export async function subscribe(
  user: Pick<TestUser, "rpc">,
  request: Partial<Pick<SubscribeRequest, "cursor" | "presence" | "kinds">> = {},
): Promise<TestStream> {
  const stream = openStream(user, request);
  await stream.frame("caughtUp");
  return stream;
}

/** Opens a stream of a user without waiting. */
export function openStream(
  user: Pick<TestUser, "rpc">,
  request: Partial<Pick<SubscribeRequest, "cursor" | "presence" | "kinds">> = {},
): TestStream {
  const abort = new AbortController();
  const frames: SubscribeResponse["frame"][] = [];
  const run = async () => {
    for await (const { frame } of user.rpc.message.subscribe(request, { signal: abort.signal })) frames.push(frame);
  };
  const ended = run().then(
    () => undefined,
    (error: unknown) => error,
  );
  const events = () => frames.flatMap((frame) => (frame.case === "event" ? [frame.value] : []));
  const found = <T>(value: T | undefined, what: string): T => {
    if (value === undefined) throw new Error(`${what}; so far: ${frames.map((frame) => frame.case).join(" ")}`);
    return value;
  };
  return {
    frames,
    events,
    frame: (name) =>
      eventually(() => {
        const frame = frames.find((candidate) => candidate.case === name);
        return found(frame, `no frame ${name}`).value as never;
      }),
    event: (fits) => eventually(() => found(events().find(fits), "no such event")),
    ended,
    async close() {
      abort.abort();
      await ended;
    },
  };
}
