import Database from "better-sqlite3";

/** A message as sent. */
export interface Send {
  readonly sender: string;
  readonly conversation: string;
  readonly clientId: string;
  readonly text: string;
}

/** A message as stored: `seq` is 1, 2, 3, … in its conversation. */
export interface Stored extends Send {
  readonly seq: number;
  readonly time: number;
  /** It had been stored by an earlier try. */
  readonly repeated: boolean;
}

/** A message as it is told. */
export type Told = Omit<Stored, "repeated">;

export interface ChatStore {
  /** Stores sends in one transaction, on disk when this returns. */
  append(sends: readonly Send[]): Stored[];
  createGroup(id: string, members: readonly string[]): void;
  groupsOf(user: string): string[];
  /** The oldest messages after a seq, rising. */
  after(conversation: string, seq: number, limit: number): Told[];
  /** The newest messages before a time, rising. */
  before(conversation: string, time: number, limit: number): Told[];
  /** Stores many messages of the past. */
  fill(messages: Iterable<Told>): void;
  close(): void;
}

/** The conversation of two users. */
export const pairOf = (a: string, b: string): string => ["pair", ...[a, b].sort()].join(":");

const schema = `
  create table if not exists message (
    conversation text not null, seq integer not null, sender text not null, client_id text not null,
    text text not null, time integer not null, primary key (conversation, seq)
  ) without rowid;
  create unique index if not exists message_client_id on message (sender, client_id);
  create table if not exists member (user text, team text, primary key (user, team)) without rowid;
`;

/** Pages before a time need an index that costs every send a little; the peer has it only where pages are asked for. */
const timeIndex = "create index if not exists message_time on message (conversation, time)";

export function openChatStore(path: string, { pages }: { pages: boolean }): ChatStore {
  const db = new Database(path);
  db.pragma("journal_mode = WAL");
  db.pragma("synchronous = FULL");
  db.exec(schema);
  if (pages) db.exec(timeIndex);
  const insert = db.prepare("insert into message values (?, ?, ?, ?, ?, ?) on conflict (sender, client_id) do nothing");
  const find = db.prepare<[string, string], { seq: number; time: number }>(
    "select seq, time from message where sender = ? and client_id = ?",
  );
  const head = db.prepare<[string], { seq: number | null }>("select max(seq) seq from message where conversation = ?");
  const addMember = db.prepare("insert or ignore into member values (?, ?)");
  const memberships = db.prepare<[string], { team: string }>("select team from member where user = ?");
  const told = "select conversation, seq, sender, client_id clientId, text, time from message";
  const later = db.prepare<[string, number, number], Told>(
    `${told} where conversation = ? and seq > ? order by seq limit ?`,
  );
  const earlier = db.prepare<[string, number, number], Told>(
    `${told} where conversation = ? and time < ? order by time desc, seq desc limit ?`,
  );
  // One process owns the file, so the last number of each conversation may be kept in memory.
  const heads = new Map<string, number>();

  function appendOne(send: Send, time: number): Stored {
    const { conversation, sender, clientId, text } = send;
    const seq = (heads.get(conversation) ?? head.get(conversation)?.seq ?? 0) + 1;
    if (insert.run(conversation, seq, sender, clientId, text, time).changes === 1) {
      heads.set(conversation, seq);
      return { ...send, seq, time, repeated: false };
    }
    const earlier = find.get(sender, clientId);
    if (!earlier) throw new Error("a refused message is not there");
    return { ...send, ...earlier, repeated: true };
  }

  const appendAll = db.transaction((sends: readonly Send[]) => {
    const time = Date.now();
    return sends.map((send) => appendOne(send, time));
  });
  const createGroup = db.transaction((id: string, members: readonly string[]) => {
    for (const user of members) addMember.run(user, id);
  });

  const fill = db.transaction((messages: Iterable<Told>) => {
    for (const { conversation, seq, sender, clientId, text, time } of messages) {
      insert.run(conversation, seq, sender, clientId, text, time);
    }
  });

  return {
    append(sends) {
      try {
        return appendAll.immediate(sends);
      } catch (error) {
        heads.clear();
        throw error;
      }
    },
    createGroup,
    after: (conversation, seq, limit) => later.all(conversation, seq, limit),
    before: (conversation, time, limit) => earlier.all(conversation, time, limit).reverse(),
    fill,
    groupsOf: (user) => memberships.all(user).map(({ team }) => team),
    close: () => void db.close(),
  };
}
