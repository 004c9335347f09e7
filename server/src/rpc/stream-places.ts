import { DomainError, ErrorReason } from "../domain/errors.js";
import { isLoopback, networkOf } from "../ops/address.js";

/** The places for open streams, on this node and for one address. */
export interface StreamPlaces {
  /** Takes a place until the signal is aborted, or throws. One that replaces another is never refused: the other leaves. */
  take(address: string, replaces: boolean, signal: AbortSignal): void;
}

const RETRY_MS = 5000;

/** Users have bounds of their own; these hold off one who has many users. A proxy in front is seen through, this machine is not counted. */
export function createStreamPlaces(limits: { streams: number; streamsPerAddress: number }): StreamPlaces {
  const byNetwork = new Map<string, number>();
  let all = 0;
  const add = (network: string, by: number): void => {
    all += by;
    const open = (byNetwork.get(network) ?? 0) + by;
    if (open === 0) byNetwork.delete(network);
    else byNetwork.set(network, open);
  };
  return {
    take(address, replaces, signal) {
      if (signal.aborted) throw new DomainError(ErrorReason.CANCELED, "the call was cancelled");
      const network = networkOf(address);
      if (!replaces && !isLoopback(address) && (byNetwork.get(network) ?? 0) >= limits.streamsPerAddress)
        throw new DomainError(ErrorReason.RATE_LIMITED, "this address has too many streams", {
          retryDelayMs: RETRY_MS,
          metadata: { limit: String(limits.streamsPerAddress) },
        });
      if (!replaces && all >= limits.streams)
        throw new DomainError(ErrorReason.SERVER_BUSY, "the server has too many streams", { retryDelayMs: RETRY_MS });
      add(network, 1);
      signal.addEventListener("abort", () => add(network, -1), { once: true });
    },
  };
}
