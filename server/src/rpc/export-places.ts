import { DomainError, ErrorReason } from "../domain/errors.js";

/** The places for exports under way: each reads on for as long as its client does. */
export interface ExportPlaces {
  /** Takes a place of an app until the signal is aborted, or throws RATE_LIMITED. */
  take(appId: string, signal: AbortSignal): void;
}

const RETRY_MS = 5_000;

export function createExportPlaces({ exportsPerApp }: { exportsPerApp: number }): ExportPlaces {
  const byApp = new Map<string, number>();
  const add = (appId: string, by: number): void => {
    const open = (byApp.get(appId) ?? 0) + by;
    if (open === 0) byApp.delete(appId);
    else byApp.set(appId, open);
  };
  return {
    take(appId, signal) {
      if (signal.aborted) throw new DomainError(ErrorReason.CANCELED, "the call was cancelled");
      if ((byApp.get(appId) ?? 0) >= exportsPerApp)
        throw new DomainError(ErrorReason.RATE_LIMITED, "this app has too many exports under way", {
          retryDelayMs: RETRY_MS,
          metadata: { limit: String(exportsPerApp) },
        });
      add(appId, 1);
      signal.addEventListener("abort", () => add(appId, -1), { once: true });
    },
  };
}
