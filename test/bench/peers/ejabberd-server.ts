/** A peer: ejabberd with its archive in PostgreSQL, both of Debian's packages. Run by the bench as a process of its own, which starts the two and ends them. */
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { freePort, startPostgres, startProgram, untilOpen } from "./programs.js";

const { EJABBERD_FOLDER: folder, POSTGRES_BIN: bin, EJABBERD_LIBS: libs, EJABBERD_SCHEMA: schema } = process.env;
if (!folder || !bin || !libs || !schema) throw new Error("the folders of ejabberd and PostgreSQL must be set");
const spool = join(folder, "ejabberd");
const xmppPort = await freePort();
const postgres = await startPostgres(folder, bin);
if (postgres.isNew) {
  mkdirSync(spool);
  postgres.sql("postgres", "-c", "create database ejabberd");
  postgres.sql("ejabberd", "-f", schema);
}

const config = `
hosts: [localhost]
loglevel: error
listen:
  - {port: ${xmppPort}, ip: "127.0.0.1", module: ejabberd_c2s, max_stanza_size: 262144, shaper: none, access: all}
auth_method: [sql]
auth_password_format: plain
default_db: sql
sql_type: pgsql
sql_server: "127.0.0.1"
sql_port: ${postgres.port}
sql_database: ejabberd
sql_username: postgres
registration_timeout: infinity
acl: {}
modules:
  mod_register: {ip_access: all, access: all}
  mod_stream_mgmt: {resume_timeout: 0}
  mod_mam: {default: always, assume_mam_usage: true, cache_size: 100000}
  mod_muc:
    access_create: all
    max_users: 10000
    max_user_conferences: 10
    min_message_interval: 0
    history_size: 0
    default_room_options: {mam: true, max_users: 10000, presence_broadcast: []}
  mod_ping: {}
  mod_roster: {}
  mod_disco: {}
`;
writeFileSync(join(spool, "ejabberd.yml"), config);
const environment = {
  ...process.env,
  ERL_LIBS: libs,
  EJABBERD_CONFIG_PATH: join(spool, "ejabberd.yml"),
  EJABBERD_LOG_PATH: join(spool, "ejabberd.log"),
  ERL_CRASH_DUMP_BYTES: "0",
  HOME: spool,
};
// Without a node name, so that no name server of Erlang is left behind.
const mnesia = `"${join(spool, "mnesia")}"`;
const options = ["+K", "true", "+P", "250000", "+Q", "65536", "-noinput", "-mnesia", "dir", mnesia, "-s", "ejabberd"];
const ejabberd = startProgram(["erl", ...options], environment);
await untilOpen(xmppPort);
console.log(JSON.stringify({ url: `xmpp://127.0.0.1:${xmppPort}`, sql_port: String(postgres.port) }));

process.on("SIGTERM", async () => {
  const ended = once(ejabberd, "exit");
  ejabberd.kill("SIGTERM");
  await ended;
  await postgres.stop();
});
