import { startNats } from "./nats.js";

/** Before the suites that run on clusters: one NATS server for all of them, on which apps of different suites have different subjects. */
export default async function setUp(): Promise<() => Promise<void>> {
  const server = await startNats();
  process.env.PARLEY_TEST_NATS = server.url;
  return async () => {
    await server[Symbol.asyncDispose]();
  };
}
