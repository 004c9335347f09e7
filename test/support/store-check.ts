import { join } from "node:path";
import Database from "better-sqlite3";

/** What is wrong with a store that is at rest: its rules C1 to C8 as far as its own rows can tell. Nothing, when it is whole. */
export function storeFaults(dataDir: string): string[] {
  const database = new Database(join(dataDir, "parley.db"), { readonly: true });
  const faults = RULES.flatMap(([rule, query]) =>
    (database.prepare(query).raw().all() as unknown[][]).map((row) => `${rule}: ${row.join(" ")}`),
  );
  const integrity = database.pragma("integrity_check", { simple: true });
  if (integrity !== "ok") faults.push(`integrity: ${String(integrity)}`);
  database.close();
  return faults;
}

/** Each query gives the rows that break its rule. */
const RULES: readonly (readonly [rule: string, query: string])[] = [
  [
    "C2 the seqs of a conversation are dense up to its head",
    `select c.app_id, c.conversation_id, c.head_seq, c.floor_seq, count(m.seq) from conversation c
     left join message m on m.app_id = c.app_id and m.conversation_id = c.conversation_id and m.seq > c.floor_seq
     group by c.app_id, c.conversation_id having count(m.seq) <> c.head_seq - c.floor_seq or max(m.seq) > c.head_seq`,
  ],
  [
    "C2 a message id is one message's",
    "select app_id, message_id from message where message_id <> '' group by 1, 2 having count(*) > 1",
  ],
  [
    "C3 the positions of a log are dense up to its head",
    `select l.app_id, l.pos, l.floor_pos, count(e.pos) from app_log l left join event e on e.app_id = l.app_id and e.pos > l.floor_pos
     group by l.app_id having count(e.pos) <> l.pos - l.floor_pos or max(e.pos) > l.pos`,
  ],
  [
    "C3 positions rise with the seqs of a conversation",
    `select a.app_id, a.conversation_id, a.seq from message a
     join message b on b.app_id = a.app_id and b.conversation_id = a.conversation_id and b.seq = a.seq + 1 where b.pos <= a.pos`,
  ],
  [
    "C6 a client_message_id makes one message",
    `select app_id, sender, client_message_id from message where client_message_id <> '' group by 1, 2, 3 having count(*) > 1`,
  ],
  [
    "C7 an event is for whom its audience rows say",
    `select e.app_id, e.pos from event e left join audience a on a.app_id = e.app_id and a.pos = e.pos
     group by e.app_id, e.pos having count(a.pos) <> (length(e.audiences) - length(replace(e.audiences, char(10), '')) + (e.audiences <> ''))`,
  ],
  [
    "C7 a place counts its members",
    `select p.app_id, p.place, p.member_count from place p left join member m
     on m.app_id = p.app_id and m.place = p.place and m.left_pos is null
     group by p.app_id, p.place having count(m.user_id) <> p.member_count`,
  ],
  [
    "C8 nobody has read past the head",
    `select p.app_id, p.user_id, p.conversation_id from participant p
     join conversation c on c.app_id = p.app_id and c.conversation_id = p.conversation_id where p.read_seq > c.head_seq`,
  ],
  [
    "friendship goes both ways",
    "select a.app_id, a.user_id, a.friend_id from friend a where not exists (select 1 from friend b where b.app_id = a.app_id and b.user_id = a.friend_id and b.friend_id = a.user_id)",
  ],
  [
    "a session is a user's",
    "select s.app_id, s.session_id from session s where not exists (select 1 from user u where u.app_id = s.app_id and u.user_id = s.user_id)",
  ],
];
