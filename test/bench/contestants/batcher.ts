import { setTimeout as sleep } from "node:timers/promises";

/** A send that waits for its place in the conversation. */
interface Waiting<Request> {
  readonly request: Request;
  resolve(sequence: number): void;
  reject(error: unknown): void;
}

/** What the server puts off leaves again after this time. */
const retryMs = 50;

/**
 * What a busy client does: one call at a time; what waits meanwhile leaves together in the next one, at most `most`. `call` gives the
 * places of as many as were stored; the others were put off and go first next time.
 */
export function createBatcher<Request>(
  call: (requests: Request[]) => Promise<number[]>,
  most: number,
): (request: Request) => Promise<number> {
  const queue: Waiting<Request>[] = [];
  let busy = false;

  async function flush(): Promise<void> {
    while (queue.length > 0) {
      const batch = queue.splice(0, most);
      try {
        const sequences = await call(batch.map(({ request }) => request));
        for (const [at, sequence] of sequences.entries()) batch[at]?.resolve(sequence);
        if (sequences.length === batch.length) continue;
        queue.unshift(...batch.slice(sequences.length));
        await sleep(retryMs);
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
    busy = false;
  }

  return (request) =>
    new Promise((resolve, reject) => {
      queue.push({ request, resolve, reject });
      if (busy) return;
      busy = true;
      // What is sent in this turn of the event loop leaves together.
      setImmediate(() => void flush());
    });
}
