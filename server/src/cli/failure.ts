import { Code, ConnectError } from "@connectrpc/connect";

/** The exit codes of the command line, after sysexits.h. */
export const EXIT = { failure: 1, unavailable: 69, store: 70, locked: 73, setting: 78 } as const;

/** A failure that is told in plain words, without a stack. */
export class CommandFailure extends Error {
  readonly exitCode: number;

  constructor(message: string, exitCode: number = EXIT.failure) {
    super(message);
    this.name = "CommandFailure";
    this.exitCode = exitCode;
  }
}

/** Runs the work of a command. What fails foreseeably becomes one line on stderr and an exit code. */
export async function runCommand(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (error instanceof CommandFailure) process.stderr.write(`parley: ${error.message}\n`);
    else console.error(error);
    process.exitCode = error instanceof CommandFailure ? error.exitCode : EXIT.failure;
  }
}

/** A failed call in words for the one at the terminal. */
export function callFailure(error: unknown, url: string): CommandFailure {
  if (error instanceof CommandFailure) return error;
  const failure = ConnectError.from(error);
  if (failure.code === Code.Unavailable && failure.cause !== undefined)
    return new CommandFailure(`no server answers at ${url} (start one with: parley serve)`, EXIT.unavailable);
  return new CommandFailure(failure.rawMessage);
}

/** A database that cannot be had, or that a server must not use, in words. */
export function databaseFailure(error: Error): CommandFailure {
  const unreachable = "kind" in error && error.kind === "unreachable";
  return new CommandFailure(error.message, unreachable ? EXIT.unavailable : EXIT.setting);
}

/** A failure of a command that works on a data folder, in words for the one at the terminal. */
export function storeCommandFailure(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  if (error.name === "FolderLockedError") return new CommandFailure(error.message, EXIT.locked);
  if (error.name === "DatabaseStartError") return databaseFailure(error);
  if (error.name === "DatabaseFileError") {
    const damaged = "kind" in error && error.kind === "damaged";
    return new CommandFailure(error.message, damaged ? EXIT.store : EXIT.failure);
  }
  if ("syscall" in error) return new CommandFailure(error.message);
  return error;
}
