import { openPostgres } from "../../server/src/store/postgres.js";
import { TEMPLATE } from "./database.js";
import { startPostgres } from "./postgres.js";

/** Before the suites that run on PostgreSQL: one server for all of them, with a database that is ready to be copied. */
export default async function setUp(): Promise<(() => Promise<void>) | undefined> {
  // Another project has started it.
  if (process.env.PARLEY_TEST_POSTGRES !== undefined) return undefined;
  const server = await startPostgres();
  await server.run(`create database ${TEMPLATE} template template0 encoding 'UTF8'`);
  await (await openPostgres({ url: server.url(TEMPLATE), unsafe: false, keyMark: "" })).close();
  await server.run("delete from meta", TEMPLATE);
  process.env.PARLEY_TEST_POSTGRES = server.url("");
  return () => server.stop();
}
