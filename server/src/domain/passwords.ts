import { hash, verify } from "@node-rs/argon2";
import { createGate } from "./gate.js";

/** The slow hash of passwords, off the event loop and a few at once. Throws SERVER_BUSY when too many wait. */
export interface Passwords {
  hash(password: string): Promise<string>;
  /** Compares with a stored hash; without one it does the same work and says no. */
  matches(password: string, stored: string | undefined): Promise<boolean>;
}

// argon2id, the library's default, with the parameters OWASP names.
const COST = { memoryCost: 19_456, timeCost: 2, parallelism: 1 } as const;
// The hash of random bytes that nobody kept.
const NOBODY = "$argon2id$v=19$m=19456,t=2,p=1$hxQAMJ2cfKVk0hZ0Tagpcg$/EQcCTdu2uruna4RpFnJSxFO2tOyRhNxAGnmB9HMSI0";

export function createPasswords(options = { atOnce: 2, queue: 50, retryDelayMs: 2000 }): Passwords {
  const gate = createGate(options);
  return {
    hash: (password) => gate(() => hash(password, COST)),
    matches: async (password, stored) => (await gate(() => verify(stored ?? NOBODY, password))) && stored !== undefined,
  };
}
