import { networkOf, plainAddress } from "../ops/address.js";

export interface AdmissionOptions {
  /** Connections open at once from one address, and those it may open in one go. */
  readonly perAddress: number;
  /** Those it may open in the long run. */
  readonly perSecond: number;
  /** Addresses that stand for many clients, or for the server's own machine. */
  readonly exempt: (address: string) => boolean;
  readonly nowMs: () => number;
}

/** Lets a connection in and gives what must be called at its end; undefined when its address has too many, or makes them too fast. */
export type Admission = (address: string) => (() => void) | undefined;

interface Neighbour {
  open: number;
  tokens: number;
  atMs: number;
}

const SWEEP_SIZE = 1000;

/** Bounds what one address can take of the port, so that it cannot take all of it. */
export function createAdmission({ perAddress, perSecond, exempt, nowMs }: AdmissionOptions): Admission {
  const neighbours = new Map<string, Neighbour>();
  let sweepAt = SWEEP_SIZE;

  const refill = (neighbour: Neighbour): void => {
    const now = nowMs();
    neighbour.tokens = Math.min(perAddress, neighbour.tokens + ((now - neighbour.atMs) / 1000) * perSecond);
    neighbour.atMs = now;
  };
  const sweep = (): void => {
    for (const [network, neighbour] of neighbours) {
      refill(neighbour);
      if (neighbour.open === 0 && neighbour.tokens === perAddress) neighbours.delete(network);
    }
    sweepAt = Math.max(SWEEP_SIZE, neighbours.size * 2);
  };

  return (given) => {
    const address = plainAddress(given);
    if (exempt(address)) return () => undefined;
    const network = networkOf(address);
    const neighbour = neighbours.get(network) ?? { open: 0, tokens: perAddress, atMs: nowMs() };
    refill(neighbour);
    if (neighbour.open >= perAddress || neighbour.tokens < 1) return undefined;
    neighbour.open += 1;
    neighbour.tokens -= 1;
    neighbours.set(network, neighbour);
    if (neighbours.size > sweepAt) sweep();
    return () => {
      neighbour.open -= 1;
    };
  };
}
