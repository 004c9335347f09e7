import { Code, ConnectError, createClient, createRouterTransport } from "@connectrpc/connect";
import { Health, HealthCheckResponse_ServingStatus as Status } from "@parley/proto/grpc/health/v1/health_pb.js";
import { describe, expect, test } from "vitest";
import { addHealth, createHealthBoard, watchHealth } from "./health.js";

const service = "parley.v1.MessageService";

function serve() {
  const board = createHealthBoard([service]);
  const client = createClient(
    Health,
    createRouterTransport((router) => addHealth(router, board)),
  );
  return { board, client };
}

describe("grpc.health.v1", () => {
  test("Check tells the server's status and each service's", async () => {
    const { board, client } = serve();
    expect((await client.check({})).status).toBe(Status.NOT_SERVING);
    board.setServing(true);
    expect((await client.check({})).status).toBe(Status.SERVING);
    expect((await client.check({ service })).status).toBe(Status.SERVING);
  });

  test("Check of an unknown service is NOT_FOUND", async () => {
    const error = await serve().client.check({ service: "nope" }).catch(ConnectError.from);
    expect(error).toMatchObject({ code: Code.NotFound });
  });

  test("List tells all", async () => {
    const { statuses } = await serve().client.list({});
    expect(Object.keys(statuses).sort()).toEqual(["", service]);
  });

  test("Watch tells the present status, then each change once, and ends with the signal", async () => {
    const { board, client } = serve();
    board.setServing(true);
    const stop = new AbortController();
    const seen: Status[] = [];
    const watched = (async () => {
      for await (const { status } of client.watch({ service }, { signal: stop.signal })) {
        seen.push(status);
        if (seen.length === 1) board.setServing(true); // no change, no message
        if (seen.length === 1) board.setServing(false);
        if (seen.length === 2) stop.abort();
      }
    })().catch(ConnectError.from);
    expect(await watched).toMatchObject({ code: Code.Canceled });
    expect(seen).toEqual([Status.SERVING, Status.NOT_SERVING]);
  });
});

describe("watchHealth", () => {
  test("an unknown service is reported, as the protocol wants, and the watch stays", async () => {
    const stop = new AbortController();
    const statuses = watchHealth(createHealthBoard([]), "nope", stop.signal);
    expect((await statuses.next()).value).toBe(Status.SERVICE_UNKNOWN);
    const next = statuses.next();
    stop.abort();
    expect(await next).toEqual({ done: true, value: undefined });
  });

  test("the signal ends the subscription even when nobody reads on", async () => {
    const board = createHealthBoard([]);
    let subscribed = 0;
    const counting = {
      ...board,
      subscribe(changed: () => void) {
        subscribed += 1;
        const unsubscribe = board.subscribe(changed);
        return () => {
          subscribed -= 1;
          unsubscribe();
        };
      },
    };
    const stop = new AbortController();
    await watchHealth(counting, "", stop.signal).next();
    expect(subscribed).toBe(1);
    stop.abort();
    expect(subscribed).toBe(0);
  });

  test("a signal that has already fired ends it at once", async () => {
    const gone = AbortSignal.abort();
    expect(await watchHealth(createHealthBoard([]), "", gone).next()).toEqual({ done: true, value: undefined });
  });
});
