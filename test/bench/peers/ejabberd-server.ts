/** A peer: ejabberd with its archive in PostgreSQL, both of Debian's packages. Run by the bench as a process of its own, which starts the two and ends them. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { type AddressInfo, connect, createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const { EJABBERD_FOLDER: folder, POSTGRES_BIN: bin, EJABBERD_LIBS: libs, EJABBERD_SCHEMA: schema } = process.env;
if (!folder || !bin || !libs || !schema) throw new Error("the folders of ejabberd and PostgreSQL must be set");
const [cluster, spool] = [join(folder, "pg"), join(folder, "ejabberd")];
const [sqlPort, xmppPort] = [await freePort(), await freePort()];
const isRoot = process.getuid?.() === 0;
const asPostgres = isRoot ? ["--reuid=postgres", "--regid=postgres", "--init-groups"] : [];

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
}

async function untilOpen(port: number): Promise<void> {
  for (;;) {
    const socket = connect(port, "127.0.0.1");
    const open = await Promise.race([
      once(socket, "connect").then(() => true),
      once(socket, "error").then(() => false),
    ]).catch(() => false);
    socket.destroy();
    if (open) return;
    await sleep(50);
  }
}

/** Starts a program that ends when this one does, however that ends. */
function start(user: string[], command: string[], env: NodeJS.ProcessEnv = process.env): ChildProcess {
  const args = [...user, "--pdeathsig", "KILL", "--", ...command];
  return spawn("setpriv", args, { stdio: ["ignore", "ignore", "inherit"], env });
}

function sql(database: string, ...args: string[]): void {
  const options = `-q -h 127.0.0.1 -p ${sqlPort} -U postgres -d ${database} -v ON_ERROR_STOP=1`.split(" ");
  execFileSync("psql", [...options, ...args], { stdio: ["ignore", "ignore", "inherit"] });
}

const isNew = !existsSync(cluster);
if (isNew) {
  mkdirSync(cluster);
  mkdirSync(spool);
  if (isRoot) {
    // Its user must be able to pass.
    chmodSync(folder, 0o711);
    execFileSync("chown", ["postgres", cluster]);
  }
  const words = `-D ${cluster} -A trust -U postgres -E UTF8 --locale=C`.split(" ");
  await once(start(asPostgres, [join(bin, "initdb"), ...words]), "exit");
}
const settings = [
  "listen_addresses=127.0.0.1",
  `port=${sqlPort}`,
  `unix_socket_directories=${cluster}`,
  "log_min_messages=fatal",
];
const set = settings.flatMap((setting) => ["-c", setting]);
const postgres = start(asPostgres, [join(bin, "postgres"), "-D", cluster, ...set]);
await untilOpen(sqlPort);
if (isNew) {
  sql("postgres", "-c", "create database ejabberd");
  sql("ejabberd", "-f", schema);
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
sql_port: ${sqlPort}
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
const ejabberd = start([], ["erl", ...options], environment);
await untilOpen(xmppPort);
console.log(JSON.stringify({ url: `xmpp://127.0.0.1:${xmppPort}`, sql_port: String(sqlPort) }));

process.on("SIGTERM", async () => {
  const ended = [ejabberd, postgres].map((child) => once(child, "exit"));
  ejabberd.kill("SIGTERM");
  await ended[0];
  postgres.kill("SIGINT");
  await ended[1];
});
