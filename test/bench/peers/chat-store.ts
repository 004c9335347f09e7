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

export interface ChatStore {
  /** Stores sends in one transaction, on disk when this returns. */
  append(sends: readonly Send[]): Stored[];
  createGroup(id: string, members: readonly string[]): void;
  groupsOf(user: string): string[];
  close(): void;
}

const schema = `
  create table if not exists message (
    conversation text not null, seq integer not null, sender text not null, client_id text not null,
    text text not null, time integer not null, primary key (conversation, seq)
  ) without rowid;
  create unique index if not exists message_client_id on message (sender, client_id);
  create table if not exists member (user text, team text, primary key (user, team)) without rowid;
`;

export function openChatStore(path: string): ChatStore {
  const db = new Database(path);
  db.pragma("journal_mode = WAL");
  db.pragma("synchronous = FULL");
  db.exec(schema);
  const insert = db.prepare("insert into message values (?, ?, ?, ?, ?, ?) on conflict (sender, client_id) do nothing");
  const find = db.prepare<[string, string], { seq: number; time: number }>(
    "select seq, time from message where sender = ? and client_id = ?",
  );
  const head = db.prepare<[string], { seq: number | null }>("select max(seq) seq from message where conversation = ?");
  const addMember = db.prepare("insert or ignore into member values (?, ?)");
  const memberships = db.prepare<[string], { team: string }>("select team from member where user = ?");
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
    groupsOf: (user) => memberships.all(user).map(({ team }) => team),
    close: () => void db.close(),
  };
}
