import { execFileSync } from "node:child_process";
import type { Seed } from "../contestant.js";
import { domain } from "./xmpp-line.js";

/** Fills the archives of both users by SQL, for ejabberd brings in none; the texts begin with their places. */
export function seedArchive(port: string, { users, stored, timeOf, text, progress }: Seed): void {
  const [first, last] = [timeOf(1), timeOf(stored)];
  const step = stored > 1 ? (last - first) / (stored - 1) : 0;
  const [ann, ben] = users.map((user) => `${user}@${domain}`);
  const archive = (owner: string, peer: string): string => `
    insert into archive (username, timestamp, peer, bare_peer, xml, txt, kind, nick)
    select '${owner}', ((${first} + (n - 1) * ${step}) * 1000)::bigint, '${peer}/bench', '${peer}',
      '<message xmlns=''jabber:client'' type=''chat'' from=''${ann}/bench'' to=''${ben}''><body>' || n || ' ${text}</body></message>', '', 'chat', ''
    from generate_series(1, ${stored}) n;`;
  const statements = `${archive(users[0], ben ?? "")}${archive(users[1], ann ?? "")} analyze archive;`;
  const server = ["-q", "-h", "127.0.0.1", "-p", port, "-U", "postgres", "-d", "ejabberd", "-v", "ON_ERROR_STOP=1"];
  execFileSync("psql", [...server, "-c", statements], { stdio: ["ignore", "ignore", "inherit"] });
  progress(stored);
}
