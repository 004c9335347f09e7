import { create } from "@bufbuild/protobuf";
import { SubscribeRequestSchema } from "@parley/proto/parley/v1/message_service_pb.js";
import { expect, test } from "vitest";
import type { WireError } from "./errors.js";
import type { Funnel } from "./funnel.js";
import { createSubscribe, type SubscribeDeps } from "./subscribe.js";

test("so many streams are let in at once, and the others in the order in which they came", async () => {
  const asked: string[] = [];
  const answer: (() => void)[] = [];
  const funnel: Pick<Funnel, "admit" | "fail"> = {
    async admit(_method, _request, { requestId }) {
      asked.push(requestId);
      await new Promise<void>((resolve) => answer.push(resolve));
      throw new Error("not let in");
    },
    fail: (_method, error) => error as WireError,
  };
  const ctx = { limits: { streamsOpening: 2, streams: 9 }, times: {} };
  const streams = { mayOpen: () => true };
  const subscribe = createSubscribe({ ctx, funnel, streams } as unknown as SubscribeDeps);
  const request = create(SubscribeRequestSchema);
  const opened = ["a", "b", "c", "d"].map(async (requestId) => {
    const facts = { requestId, signal: new AbortController().signal } as Parameters<typeof subscribe>[1];
    await expect(subscribe(request, facts, {} as never).next()).rejects.toThrow("not let in");
  });
  await expect.poll(() => asked).toEqual(["a", "b"]);
  answer[1]?.();
  await expect.poll(() => asked).toEqual(["a", "b", "c"]);
  answer[0]?.();
  await expect.poll(() => asked).toEqual(["a", "b", "c", "d"]);
  for (const finish of answer) finish();
  await Promise.all(opened);
});
