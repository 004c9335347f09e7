import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { Contestant } from "../contestant.js";
import { transpilePeers } from "../peers/transpile.js";
import { type LaunchPlan, startServer } from "../server-process.js";
import { inTurn } from "../stage.js";
import { seedArchive } from "./ejabberd-seed.js";
import { postgresBin } from "./postgres-bin.js";
import { openXmpp } from "./xmpp-line.js";
import { joinXmpp, portOf } from "./xmpp-member.js";

const libs = "/usr/lib/x86_64-linux-gnu";
const schema = "/usr/share/ejabberd/sql/pg.sql";
const accountsAtOnce = 20;

/** Why there can be no row of ejabberd on this machine; undefined when there can. */
export function ejabberdMissing(): string | undefined {
  const has = existsSync(schema) && postgresBin() !== undefined && hasDriver();
  return has
    ? undefined
    : "no row of ejabberd + PostgreSQL: Debian's ejabberd, erlang-p1-pgsql and postgresql are not installed";
}

function hasDriver(): boolean {
  const folder = "/usr/lib/erlang/lib";
  return existsSync(folder) && readdirSync(folder).some((name) => name.startsWith("p1_pgsql"));
}

/** The usual server of XMPP, both archives of a message in PostgreSQL. */
export const ejabberd: Contestant = {
  name: "ejabberd + PostgreSQL",
  server: "ejabberd",
  keepsOrder: true,
  suits: ({ kind, name }) => kind !== "day" && kind !== "start" && name !== "W2-5000",
  launch: launchEjabberd,
  join: joinXmpp,
  async enrol(server, userIds) {
    const accounts = userIds.map((userId) => async () => {
      await (await joinXmpp(server, { userId, fail: () => {} })).close();
      return { userId, token: "" };
    });
    return await inTurn(accounts, accountsAtOnce);
  },
  attend: (server, { userId }, fail) =>
    openXmpp({ port: portOf(server), user: userId, register: false, onMessage: () => {}, fail }),
  async seed(dataDir, seed) {
    const server = await startServer(launchEjabberd(dataDir));
    try {
      for (const userId of seed.users) await (await joinXmpp(server.ready, { userId, fail: () => {} })).close();
      seedArchive(server.ready.sql_port ?? "", seed);
    } finally {
      await server.stop();
    }
  },
};

function launchEjabberd(dataDir: string): LaunchPlan {
  transpilePeers(dataDir);
  const env = {
    EJABBERD_FOLDER: dataDir,
    POSTGRES_BIN: postgresBin() ?? "",
    EJABBERD_LIBS: libs,
    EJABBERD_SCHEMA: schema,
  };
  return { script: join(dataDir, "ejabberd-server.js"), args: [], env };
}
