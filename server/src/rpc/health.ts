import { Code, ConnectError, type ConnectRouter } from "@connectrpc/connect";
import { Health, HealthCheckResponse_ServingStatus as Status } from "@parley/proto/grpc/health/v1/health_pb.js";

/** What the server says of itself. The empty name is the server as a whole. */
export interface HealthBoard {
  get(service: string): Status | undefined;
  entries(): Iterable<[service: string, status: Status]>;
  /** Sets every service at once: up when ready, down when draining. */
  setServing(serving: boolean): void;
  /** Calls back after every change until the returned function is called. */
  subscribe(changed: () => void): () => void;
}

export function createHealthBoard(services: readonly string[]): HealthBoard {
  let status = Status.NOT_SERVING;
  const names = new Set(["", ...services]);
  const listeners = new Set<() => void>();
  return {
    get: (service) => (names.has(service) ? status : undefined),
    entries: () => [...names].map((name): [string, Status] => [name, status]),
    setServing(serving) {
      const next = serving ? Status.SERVING : Status.NOT_SERVING;
      if (next === status) return;
      status = next;
      for (const changed of [...listeners]) changed();
    },
    subscribe(changed) {
      listeners.add(changed);
      return () => void listeners.delete(changed);
    },
  };
}

/** The present status and each later one, until the signal. A service not known here is reported, not refused. */
export async function* watchHealth(board: HealthBoard, service: string, signal: AbortSignal): AsyncGenerator<Status> {
  let wake = (): void => {};
  const unsubscribe = board.subscribe(() => wake());
  // Not in `finally`: a stream whose client has gone may never be resumed, the signal always comes.
  const stop = (): void => {
    unsubscribe();
    wake();
  };
  signal.addEventListener("abort", stop, { once: true });
  if (signal.aborted) stop();

  let told: Status | undefined;
  while (!signal.aborted) {
    const status = board.get(service) ?? Status.SERVICE_UNKNOWN;
    if (status === told) {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
      continue;
    }
    told = status;
    yield status;
  }
}

/** Serves grpc.health.v1, for load balancers and orchestrators. */
export function addHealth(router: ConnectRouter, board: HealthBoard): void {
  router.service(Health, {
    check({ service }) {
      const status = board.get(service);
      if (status === undefined) throw new ConnectError("unknown service", Code.NotFound);
      return { status };
    },
    list: () => ({ statuses: Object.fromEntries([...board.entries()].map(([name, status]) => [name, { status }])) }),
    async *watch({ service }, { signal }) {
      for await (const status of watchHealth(board, service, signal)) yield { status };
    },
  });
}
