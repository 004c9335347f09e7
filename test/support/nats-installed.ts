import { spawnSync } from "node:child_process";

/** Debian puts nats-server where only the superuser's shell looks. */
export const NATS_ENV: NodeJS.ProcessEnv = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` };

/** Whether nats-server is there. When not, it says so aloud; with PARLEY_REQUIRE_ALL it throws instead. */
export function natsInstalled(suite: string): boolean {
  if (spawnSync("nats-server", ["--version"], { env: NATS_ENV, stdio: "ignore" }).status === 0) return true;
  const advice = "apt-get install -y --no-install-recommends nats-server";
  if (process.env.PARLEY_REQUIRE_ALL === "1") throw new Error(`${suite} needs: ${advice}`);
  console.warn(`SKIPPED: ${suite}. It needs: ${advice}`);
  return false;
}
