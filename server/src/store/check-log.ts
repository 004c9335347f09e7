import { type RawBuilder, sql } from "kysely";
import type { Db } from "./schema.js";

/** Something in the stored data that must never be. */
export interface LogFault {
  /** The rule that is broken, such as "positions". */
  rule: string;
  text: string;
}

/** Whether messages or events are lost or hidden by it; what is served on such a log can be wrong. */
export function isGrave({ rule }: LogFault): boolean {
  return ["positions", "floor", "generations", "audiences", "seqs", "messages"].includes(rule);
}

interface Found {
  app_id: string;
  what: string | null;
  n: number;
}

/**
 * Holds the stored data against the rules of the log: positions and seqs without a gap, nothing twice, head, floor and generations that fit
 * together, every event with its audiences, no marker beyond what exists. An empty answer is a whole log. Reads everything, so it takes its
 * time; over a database that is written meanwhile, run it in one transaction.
 */
export async function checkLog(db: Db): Promise<LogFault[]> {
  const faults: LogFault[] = [];
  for (const [rule, text, query] of RULES) {
    const { rows } = await query.execute(db);
    for (const { app_id, what, n } of rows) {
      const where = what === null || what === "" ? `app ${app_id}` : `app ${app_id}, ${what}`;
      faults.push({ rule, text: `${where}: ${text.replace("%", String(n))}` });
    }
  }
  return faults;
}

const LINE = "\n";

/**
 * Each query gives the apps, and the conversations in them, that break its rule, and how often; at most a few, for a human to read. Both databases
 * run them: a comparison is no number to PostgreSQL, and an alias is unknown to its `having`.
 */
const RULES: readonly (readonly [rule: string, text: string, query: RawBuilder<Found>])[] = [
  [
    "positions",
    "% positions are missing or too many between the floor and the head of the log",
    sql<Found>`
      select * from (
        select l.app_id, '' as what, abs(l.pos - l.floor_pos - count(e.pos))
          + case when max(e.pos) <> l.pos then 1 else 0 end
          + case when min(e.pos) <> l.floor_pos + 1 then 1 else 0 end as n
        from app_log l left join event e on e.app_id = l.app_id
        group by l.app_id, l.pos, l.floor_pos) f
      where n > 0`,
  ],
  [
    "positions",
    "% events of an app without a log",
    sql<Found>`
      select app_id, '' as what, count(*) as n from event
      where app_id not in (select app_id from app_log) group by app_id`,
  ],
  [
    "floor",
    "the floor lies beyond the head",
    sql<Found>`select app_id, '' as what, 1 as n from app_log where floor_pos > pos or floor_pos < 0`,
  ],
  [
    "generations",
    "no generation holds the floor, or % begin beyond the head",
    sql<Found>`
      select app_id, '' as what, beyond as n from (
        select l.app_id, l.floor_pos, min(g.first_pos) as first_pos,
          sum(case when g.first_pos > l.pos then 1 else 0 end) as beyond
        from app_log l left join generation g on g.app_id = l.app_id
        group by l.app_id, l.floor_pos) f
      where first_pos is null or first_pos > floor_pos or beyond > 0`,
  ],
  [
    "generations",
    "% generations begin where another begins",
    sql<Found>`
      select * from (
        select app_id, '' as what, count(*) - count(distinct first_pos) + count(*) - count(distinct generation_id) as n
        from generation group by app_id) f
      where n > 0`,
  ],
  [
    "audiences",
    "% audiences without their event",
    sql<Found>`
      select a.app_id, '' as what, count(*) as n from audience a
      left join event e on e.app_id = a.app_id and e.pos = a.pos
        and replace(${LINE} || e.audiences || ${LINE}, ${LINE} || a.audience || ${LINE}, '')
          <> ${LINE} || e.audiences || ${LINE}
      where e.pos is null group by a.app_id`,
  ],
  [
    "audiences",
    "% audiences of events are not stored, so their readers miss them",
    sql<Found>`
      select app_id, '' as what, sum(n) as n from (
        select app_id, sum(case audiences when '' then 0 else
          length(audiences) - length(replace(audiences, ${LINE}, '')) + 1 end) as n from event group by app_id
        union all select app_id, -count(*) from audience group by app_id) f
      group by app_id having sum(n) > 0`,
  ],
  [
    "seqs",
    "% seqs are missing or too many",
    sql<Found>`
      select * from (
        select c.app_id, c.conversation_id as what,
          abs(max(m.seq) - min(m.seq) + 1 - count(*)) + abs(max(m.seq) - c.head_seq)
            + case when min(m.seq) > c.floor_seq + 1 then min(m.seq) - c.floor_seq - 1 else 0 end as n
        from conversation c join message m on m.app_id = c.app_id and m.conversation_id = c.conversation_id
        group by c.app_id, c.conversation_id, c.head_seq, c.floor_seq) f
      where n > 0 limit 20`,
  ],
  [
    "seqs",
    "no message is left above its floor",
    sql<Found>`
      select app_id, conversation_id as what, head_seq - floor_seq as n from conversation c
      where floor_seq > head_seq or (floor_seq < head_seq and not exists
        (select 1 from message m where m.app_id = c.app_id and m.conversation_id = c.conversation_id)) limit 20`,
  ],
  [
    "seqs",
    "% messages of a conversation that is not there",
    sql<Found>`
      select m.app_id, m.conversation_id as what, count(*) as n from message m
      left join conversation c on c.app_id = m.app_id and c.conversation_id = m.conversation_id
      where c.conversation_id is null group by m.app_id, m.conversation_id limit 20`,
  ],
  [
    "order",
    "% messages stand in another order than in the log",
    sql<Found>`
      select app_id, conversation_id as what, count(*) as n from (
        select app_id, conversation_id, pos <= lag(pos) over (partition by app_id, conversation_id order by seq) as early,
          create_ms < lag(create_ms) over (partition by app_id, conversation_id order by seq) as earlier from message) f
      where early or earlier group by app_id, conversation_id limit 20`,
  ],
  [
    "messages",
    "% messages whose event the log does not hold",
    sql<Found>`
      select m.app_id, '' as what, count(*) as n from message m
      join app_log l on l.app_id = m.app_id
      left join event e on e.app_id = m.app_id and e.pos = m.pos
      where m.pos > l.floor_pos and e.pos is null group by m.app_id`,
  ],
  [
    "repeats",
    "% messages with a client_message_id that its sender used before",
    sql<Found>`
      select app_id, '' as what, sum(n) as n from (
        select app_id, count(*) - 1 as n from message where client_message_id <> ''
        group by app_id, client_message_id, sender having count(*) > 1) f
      group by app_id`,
  ],
  [
    "repeats",
    "% messages with the id of another",
    sql<Found>`
      select app_id, '' as what, sum(n) as n from (
        select app_id, count(*) - 1 as n from message group by app_id, message_id having count(*) > 1) f
      group by app_id`,
  ],
  [
    "markers",
    "% read markers lie beyond the newest message",
    sql<Found>`
      select p.app_id, p.conversation_id as what, count(*) as n from participant p
      left join conversation c on c.app_id = p.app_id and c.conversation_id = p.conversation_id
      where p.read_seq > coalesce(c.head_seq, 0) or p.read_seq < 0 group by p.app_id, p.conversation_id limit 20`,
  ],
  [
    "markers",
    "% sessions acknowledged more than there is",
    sql<Found>`
      select s.app_id, '' as what, count(*) as n from session s join app_log l on l.app_id = s.app_id
      where s.acked_pos > l.pos group by s.app_id`,
  ],
  [
    "members",
    "% stays begin or end beyond the head, or end before they begin",
    sql<Found>`
      select m.app_id, '' as what, count(*) as n from member m join app_log l on l.app_id = m.app_id
      where m.joined_pos > l.pos or m.left_pos > l.pos + 1 or m.left_pos < m.joined_pos group by m.app_id`,
  ],
  [
    "members",
    "its number of members is off by %",
    sql<Found>`
      select * from (
        select p.app_id, p.place as what, abs(p.member_count - count(m.user_id)) as n from place p
        left join member m on m.app_id = p.app_id and m.place = p.place and m.left_pos is null
        group by p.app_id, p.place, p.member_count) f
      where n > 0 limit 20`,
  ],
  [
    "markers",
    "% users have hidden or taken off their lists what is not there yet",
    sql<Found>`
      select p.app_id, '' as what, count(*) as n from participant p join app_log l on l.app_id = p.app_id
      where p.hidden_pos > l.pos or p.unlisted_pos > l.pos group by p.app_id`,
  ],
  [
    "users",
    "% words of users that were deleted are still stored",
    sql<Found>`
      select m.app_id, '' as what, count(*) as n from message m
      left join "user" u on u.app_id = m.app_id and u.user_id = m.sender
      left join erasure e on e.app_id = m.app_id and e.subject = 'u:' || m.sender and e.upto_pos >= m.pos
      where m.sender <> '' and length(m.payload_hash) > 0 and e.subject is null
        and (u.user_id is null or m.pos <= u.created_pos)
      group by m.app_id`,
  ],
  [
    "users",
    "% sessions, credentials, friendships or memberships of users that are not there",
    sql<Found>`
      select o.app_id, '' as what, count(*) as n from (
        select app_id, user_id from session union all select app_id, user_id from credential
        union all select app_id, user_id from friend union all select app_id, friend_id from friend
        union all select app_id, user_id from member where left_pos is null) o
      left join "user" u on u.app_id = o.app_id and u.user_id = o.user_id
      where u.user_id is null group by o.app_id`,
  ],
  [
    "users",
    "% groups whose owner is no member",
    sql<Found>`
      select p.app_id, '' as what, count(*) as n from place p
      left join member m on m.app_id = p.app_id and m.place = p.place and m.user_id = p.owner_user_id and m.left_pos is null
      where p.place like 'g:%' and m.user_id is null group by p.app_id`,
  ],
  [
    "uses",
    "% uses of attachments that have no record",
    sql<Found>`
      select u.app_id, '' as what, count(*) as n from attachment_use u
      left join attachment a on a.app_id = u.app_id and a.attachment_id = u.attachment_id
      where a.attachment_id is null group by u.app_id`,
  ],
  [
    "uses",
    "% attachments that are kept for no message, or would be removed though one uses them",
    sql<Found>`
      select a.app_id, '' as what, count(*) as n from attachment a
      where a.used <> case when exists (
        select 1 from attachment_use u where u.app_id = a.app_id and u.attachment_id = a.attachment_id) then 1 else 0 end
      group by a.app_id`,
  ],
];
