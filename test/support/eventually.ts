/** The longest time between two looks, in milliseconds. */
const RARELY_MS = 60;

/** Waits until `check` no longer throws, and gives its answer; fails with its last error when the time is over. It looks less often the longer it waits. */
export async function eventually<T>(check: () => T | Promise<T>, withinMs = 5_000): Promise<T> {
  const began = performance.now();
  for (;;) {
    try {
      return await check();
    } catch (error) {
      const waitedMs = performance.now() - began;
      if (waitedMs > withinMs) throw error;
      await new Promise((resolve) => setTimeout(resolve, Math.min(RARELY_MS, 5 + waitedMs / 8)));
    }
  }
}
