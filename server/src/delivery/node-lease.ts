import type { Clock, Timer } from "../ops/clock.js";
import type { Leases } from "../store/leases.js";

/**
 * The right of this process to hold streams and, of one process at a time, to keep: leases by the database's clock, renewed again and again. It
 * judges itself by its own monotonic clock: whoever could not renew for too long has lost both before the others may see it so.
 */
export interface NodeLease {
  /** The name under which this node holds streams; another one each time it comes back, undefined while it may hold none. */
  node(): string | undefined;
  /** For how long it has had this name. */
  ageMs(): number;
  /** Whether it may keep at this moment. Asked before whatever must not be done by two. */
  keeps(): boolean;
  /** Takes the node's lease, and the keeper's if it is free. Throws when the store cannot be asked. */
  start(): Promise<void>;
  /** Keeps no more. The lease of the keeper stays until the end, so that no other begins before this one has stopped. */
  retire(): void;
  /** Ends what is held: what is left under the name is somebody else's to clear. */
  close(): Promise<void>;
}

export interface NodeLeaseOptions {
  leases: Leases;
  clock: Clock;
  times: { leaseMs: number; leaseRenewMs: number; leaseFenceMs: number; leaseRetryMs: number };
  newId(): string;
  /** It may hold no streams any more. */
  onFenced(): void;
  /** It may hold streams under a name. Awaited with each renewal: what others have left for it is done here. */
  onRenewed(node: string): Promise<void>;
  onKeeping(keeps: boolean): void;
  onError(error: unknown): void;
}

const KEEPER = "keeper";
export const NODES = "node:";

export function createNodeLease(options: NodeLeaseOptions): NodeLease {
  const { leases, clock, times } = options;
  let name: string | undefined;
  let since = clock.mono();
  /** When the last renewal that succeeded was asked for: it holds from then on. */
  let renewedMs = Number.NEGATIVE_INFINITY;
  let keptMs = Number.NEGATIVE_INFINITY;
  let keeping = false;
  let candidate = true;
  let closed = false;
  let timer: Timer | undefined;
  let fence: Timer | undefined;
  let beating: Promise<void> = Promise.resolve();

  const isFresh = (ms: number) => clock.mono() - ms < times.leaseFenceMs;
  const node = () => (name !== undefined && isFresh(renewedMs) ? name : undefined);
  const keeps = () => keeping && node() !== undefined && isFresh(keptMs);

  const setKeeping = (now: boolean) => {
    if (keeping === now) return;
    keeping = now;
    options.onKeeping(now);
  };
  const lose = () => {
    const lost = name;
    if (lost === undefined) return;
    name = undefined;
    setKeeping(false);
    options.onFenced();
    // So that nobody waits for it: it holds nothing any more.
    leases.end(NODES + lost, lost).catch(() => undefined);
  };
  const watch = () => {
    fence?.cancel();
    fence = clock.setTimer(
      () => !isFresh(renewedMs) && lose(),
      Math.max(0, renewedMs + times.leaseFenceMs - clock.mono()),
    );
  };

  /** One renewal of all that is held. */
  const renew = async (): Promise<void> => {
    if (name !== undefined && !isFresh(renewedMs)) lose();
    const beganMs = clock.mono();
    const [held, wanted] = [name, name ?? options.newId()];
    const has =
      held === undefined
        ? await leases.take(NODES + wanted, wanted, times.leaseMs)
        : await leases.renew(NODES + wanted, wanted, times.leaseMs);
    // It may have been fenced meanwhile, and an answer that came too late is none.
    if (closed || name !== held || !isFresh(beganMs)) return;
    if (!has) return lose();
    renewedMs = beganMs;
    watch();
    if (held === undefined) {
      name = wanted;
      since = clock.mono();
    }
    await keep(wanted).finally(() => !isFresh(keptMs) && setKeeping(false));
    await options.onRenewed(wanted);
  };
  const keep = async (holder: string): Promise<void> => {
    if (!candidate) return;
    const beganMs = clock.mono();
    const has = await leases.take(KEEPER, holder, times.leaseMs);
    if (closed || name !== holder || !candidate) return;
    if (has && isFresh(beganMs)) keptMs = beganMs;
    setKeeping(has && isFresh(keptMs));
  };

  const beat = () => {
    beating = renew().then(
      () => schedule(name === undefined ? times.leaseRetryMs : times.leaseRenewMs),
      (error: unknown) => {
        options.onError(error);
        schedule(times.leaseRetryMs);
      },
    );
  };
  const schedule = (ms: number) => {
    if (!closed) timer = clock.setTimer(beat, ms);
  };

  return {
    node,
    ageMs: () => clock.mono() - since,
    keeps,
    async start() {
      await renew();
      schedule(times.leaseRenewMs);
    },
    retire() {
      candidate = false;
      setKeeping(false);
    },
    async close() {
      closed = true;
      timer?.cancel();
      fence?.cancel();
      await beating.catch(() => undefined);
      const held = name;
      name = undefined;
      if (held === undefined) return;
      for (const lease of [KEEPER, NODES + held]) await leases.end(lease, held).catch(() => undefined);
    },
  };
}
