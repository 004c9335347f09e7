// Loaded into a server's process from outside: the first SIGUSR2 makes every statement of its database fail, the second ends it by a defect.
import { createRequire } from "node:module";

if (process.argv[2] === "serve") {
  const Database = createRequire(new URL("../../server/package.json", import.meta.url))("better-sqlite3");
  const probe = new Database(":memory:");
  const prototype = Object.getPrototypeOf(probe.prepare("select 1"));
  probe.close();
  process.once("SIGUSR2", () => {
    for (const name of ["run", "all", "get"])
      prototype[name] = () => {
        throw new Error("a statement failed");
      };
    process.once("SIGUSR2", () => {
      setImmediate(() => {
        throw new Error("a defect");
      });
    });
  });
}
