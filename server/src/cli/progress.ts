import { CommandFailure } from "./failure.js";

/** What long work says meanwhile, on stderr, and how it is broken off. */
export interface Progress {
  onProgress(share: number): void;
  signal: AbortSignal;
  end(): void;
}

const QUIET_MS = 1_000;

/** Says how much is done, at a terminal only and not for what is quickly over. Ctrl-C breaks it off cleanly. */
export function showProgress(what: string): Progress {
  const { stderr } = process;
  const beganMs = performance.now();
  const broken = new AbortController();
  const breakOff = () => broken.abort(new CommandFailure("broken off, nothing has changed"));
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, breakOff);
  let shown = "";
  return {
    signal: broken.signal,
    onProgress(share) {
      const text = `${what} ${Math.floor(share * 100)} %`;
      if (stderr.isTTY !== true || text === shown || performance.now() - beganMs < QUIET_MS) return;
      shown = text;
      stderr.write(`\r${text}`);
    },
    end() {
      for (const signal of ["SIGINT", "SIGTERM"] as const) process.off(signal, breakOff);
      if (shown !== "") stderr.write("\n");
    },
  };
}
