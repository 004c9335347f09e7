/** What programs of suites import as `@parley/server`. */
import { createRequire } from "node:module";

export const { startServer } = createRequire(import.meta.url)("./load.cjs");
