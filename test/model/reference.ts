import {
  type Conversation,
  type Logged,
  type LogPlace,
  type Message,
  type Place,
  Refused,
  type Rules,
  type Send,
  type Stay,
} from "./state.js";
import {
  ChangeKind,
  friendLine,
  messageLine,
  profileLine,
  readLine,
  revokedLine,
  type SessionRevokedReason,
  typingLine,
} from "./words.js";

/** Everything that an app holds, by the plainest means: no I/O, no index, no cleverness. It is what the server is compared with. */
export class Reference {
  nowMs = 0;
  /** Counts the starts of the server. */
  life = 0;
  log: Logged[] = [];
  floor = 0;
  generations: { life: number; first: number }[] = [];
  users: Record<string, { createdPos: number; name: string }> = {};
  /** The user of each open session. */
  sessions: Record<string, string> = {};
  friends: string[] = [];
  places: Record<string, Place> = {};
  conversations: Record<string, Conversation> = {};
  messages: Message[] = [];
  /** Keyed answers of calls that are no sends. */
  answered: Record<string, { what: string; answer: string; untilMs: number }> = {};
  /** The two minutes' memory of what is not stored; a new start of the server has none. */
  remembered: Record<string, { what: string; line: string; untilMs: number }> = {};
  typed: Record<string, number> = {};
  /** What was said and not stored, and who could hear it. */
  spoken: { line: string; users: string[] }[] = [];
  /** Events are numbered on from what retention has removed. */
  head = 0;

  readonly rules: Rules;

  constructor(rules: Rules) {
    this.rules = rules;
  }

  clone(): Reference {
    return Object.assign(new Reference(this.rules), structuredClone({ ...this }));
  }

  /** A new start of the server on what was stored. */
  startAgain(life: number): void {
    this.life = life;
    this.remembered = {};
    this.typed = {};
  }

  emit(audiences: readonly string[], line: string, isMessage = false): number {
    this.head += 1;
    if (this.generations.at(-1)?.life !== this.life)
      this.generations.push({ life: this.life, first: this.generations.length === 0 ? 0 : this.head });
    this.log.push({ pos: this.head, atMs: this.nowMs, audiences: [...new Set(audiences)], line, isMessage });
    return this.head;
  }

  // Who sees what.

  sees(user: string, session: string, event: Logged): boolean {
    if (event.pos <= this.user(user).createdPos) return false;
    return event.audiences.some((audience) => {
      if (audience === "*" || audience === `u:${user}` || audience === `s:${session}`) return true;
      const stays = this.places[audience]?.stays ?? [];
      return stays.some((s) => s.user === user && s.from <= event.pos && (s.to === undefined || event.pos < s.to));
    });
  }

  visible(user: string, session: string, afterPos: number): Logged[] {
    return this.log.filter((event) => event.pos > afterPos && this.sees(user, session, event));
  }

  /** The life whose generation holds a position. */
  lifeAt(pos: number): number {
    return this.generations.findLast((generation) => generation.first <= pos)?.life ?? 0;
  }

  /** Why a stream cannot go on from a place: the rule of generations. */
  resyncAt({ pos, life }: LogPlace): "EXPIRED" | "HISTORY_CHANGED" | undefined {
    if (pos < this.floor) return "EXPIRED";
    const at = this.generations.findIndex((generation) => generation.life === life);
    const next = this.generations[at + 1];
    const holds = at >= 0 && (next === undefined ? pos <= this.head : pos < next.first);
    return holds ? undefined : "HISTORY_CHANGED";
  }

  user(user: string): { createdPos: number; name: string } {
    const found = this.users[user];
    if (found === undefined) throw new Refused("NOT_FOUND");
    return found;
  }

  areFriends(a: string, b: string): boolean {
    return this.friends.includes(pair(a, b));
  }

  friendsOf(user: string): string[] {
    return Object.keys(this.users)
      .filter((other) => other !== user && this.areFriends(user, other))
      .sort();
  }

  members(place: string): Stay[] {
    const found = this.places[place];
    if (found === undefined || found.gone) return [];
    return found.stays
      .filter((stay) => stay.to === undefined)
      .sort((a, b) => a.from - b.from || (a.user < b.user ? -1 : 1));
  }

  member(place: string, user: string): Stay | undefined {
    return this.members(place).find((stay) => stay.user === user);
  }

  /** The position after which a user may read a conversation. */
  readableAfter(user: string, conversation: string): number {
    const { createdPos } = this.user(user);
    if (conversation.startsWith("g:")) {
      const place = this.places[conversation];
      if (place === undefined || place.gone) throw new Refused("NOT_FOUND");
      const member = this.member(conversation, user);
      if (member === undefined) throw new Refused("NOT_MEMBER");
      return place.history ? createdPos : Math.max(createdPos, member.from - 1);
    }
    const [, a = "", b = ""] = conversation.split(":");
    if (conversation.startsWith("d:")) this.user(a === user ? b : a);
    return createdPos;
  }

  // Users, sessions, friends.

  login(user: string, session: string): void {
    this.users[user] ??= { createdPos: this.head, name: "" };
    this.sessions[session] = user;
  }

  endSession(session: string, reason: SessionRevokedReason): void {
    if (this.sessions[session] === undefined) return;
    delete this.sessions[session];
    this.emit([`s:${session}`], revokedLine(session, reason));
  }

  rename(user: string, name: string): void {
    const found = this.user(user);
    if (found.name === name) return;
    found.name = name;
    this.emit(
      [user, ...this.friendsOf(user)].map((reader) => `u:${reader}`),
      profileLine(user, name),
    );
  }

  addFriend(user: string, friend: string): void {
    if (user === friend) throw new Refused("INVALID_FIELD");
    this.user(friend);
    if (this.areFriends(user, friend)) return;
    this.friends.push(pair(user, friend));
    this.tellFriends(user, friend, ChangeKind.ADDED);
  }

  removeFriend(user: string, friend: string): void {
    if (!this.areFriends(user, friend)) return;
    this.friends = this.friends.filter((known) => known !== pair(user, friend));
    this.tellFriends(user, friend, ChangeKind.REMOVED);
  }

  private tellFriends(a: string, b: string, change: ChangeKind): void {
    this.emit([`u:${a}`], friendLine(b, change));
    this.emit([`u:${b}`], friendLine(a, change));
  }

  // Sending.

  /** Stores a message, or gives the one that its key made before. */
  send(send: Send, counting = true): string {
    const known = this.messages.find((m) => m.sender === send.sender && m.key === send.key);
    if (known !== undefined) {
      if (whatOf(known) !== whatOf(send)) throw new Refused("IDEMPOTENCY_CONFLICT");
      return messageLine(known);
    }
    const conversation = conversationOf(send.sender, send.receiver);
    this.mayTalk(send);
    if (send.replyTo !== "") this.mustSee(send, conversation);
    const [kind, id] = split(send.receiver);
    const place = this.conversations[conversation] ?? { head: 0, floor: 0, lastPos: 0, lastMs: 0, read: {} };
    this.conversations[conversation] = place;
    if (kind === "user" && place.head === 0)
      for (const user of [id, send.sender]) if (user !== "") place.read[user] ??= 0;
    place.head += 1;
    place.lastMs = Math.max(place.lastMs, this.nowMs);
    const facts = { ...send, conversation, seq: place.head, atMs: place.lastMs };
    const audiences =
      kind === "group" ? [`g:${id}`] : [id, send.sender].filter((user) => user !== "").map((user) => `u:${user}`);
    place.lastPos = this.emit(audiences, messageLine(facts), true);
    this.messages.push({ ...facts, id: "", pos: place.lastPos, counting });
    return messageLine(facts);
  }

  /** Says something that is not stored: to those who are here now, and within two minutes once for its key. */
  speak(send: Send): string {
    this.mayTalk(send);
    const key = `${send.sender}|${send.key}`;
    const known = this.remembered[key];
    if (known !== undefined && known.untilMs > this.nowMs) {
      if (known.what !== whatOf(send)) throw new Refused("IDEMPOTENCY_CONFLICT");
      return known.line;
    }
    const [kind, id] = split(send.receiver);
    const conversation = kind === "room" ? "" : conversationOf(send.sender, send.receiver);
    const line = messageLine({ ...send, conversation, seq: 0, atMs: this.nowMs, replyTo: "" });
    this.remembered[key] = { what: whatOf(send), line, untilMs: this.nowMs + this.rules.transientDedupMs };
    this.spoken.push({ line, users: kind === "user" ? [id, send.sender] : this.usersOf(send.receiver) });
    return line;
  }

  type(user: string, receiver: string, typing: boolean): void {
    this.mayTalk({ sender: user, receiver });
    if (!this.mayType(user, receiver, typing)) return;
    this.typed[`${user}|${receiver}|${typing}`] = this.nowMs;
    const [kind, id] = split(receiver);
    const line = typingLine(kind === "user" ? `user:${user}` : receiver, user, typing);
    this.spoken.push({ line, users: kind === "user" ? [id] : this.usersOf(receiver) });
  }

  /** Of the same typing one a second is passed on. */
  mayType(user: string, receiver: string, typing: boolean): boolean {
    return this.nowMs - (this.typed[`${user}|${receiver}|${typing}`] ?? -1000) >= 1000;
  }

  /** A message of the system to everyone who exists now. */
  sendToEveryone(key: string, words: string): string {
    const known = this.answered[`|everyone:${key}`];
    if (known !== undefined && known.untilMs > this.nowMs) {
      if (known.what !== words) throw new Refused("IDEMPOTENCY_CONFLICT");
      return known.answer;
    }
    const answer = messageLine({
      conversation: "",
      seq: 0,
      sender: "",
      receiver: "everyone",
      key,
      words,
      atMs: this.nowMs,
      replyTo: "",
    });
    this.emit(["*"], answer, true);
    this.answered[`|everyone:${key}`] = { what: words, answer, untilMs: this.nowMs + this.rules.dedupMs };
    return answer;
  }

  private usersOf(receiver: string): string[] {
    return this.members(placeOf(receiver)).map((stay) => stay.user);
  }

  private mayTalk({ sender, receiver }: Pick<Send, "sender" | "receiver">): void {
    const [kind, id] = split(receiver);
    if (kind === "user") {
      this.user(id);
      const stranger = sender !== "" && sender !== id && !this.areFriends(sender, id);
      if (stranger && !this.rules.strangers) throw new Refused("NOT_FRIEND");
      return;
    }
    const place = this.places[placeOf(receiver)];
    if (place === undefined || place.gone) throw new Refused("NOT_FOUND");
    if (sender === "") return;
    const member = this.member(placeOf(receiver), sender);
    if (member === undefined) throw new Refused("NOT_MEMBER");
    if (member.mutedUntilMs > this.nowMs) throw new Refused("MUTED");
  }

  private mustSee({ sender, replyTo }: Send, conversation: string): void {
    const seen = this.history(sender, conversation).some((message) => message.id === replyTo);
    if (!seen) throw new Refused("NOT_FOUND");
  }

  // Reading.

  history(user: string, conversation: string): Message[] {
    const after = this.readableAfter(user, conversation);
    const floor = this.conversations[conversation]?.floor ?? 0;
    return this.messages.filter((m) => m.conversation === conversation && m.seq > floor && m.pos > after);
  }

  unread(user: string, conversation: string): number {
    const read = this.conversations[conversation]?.read[user] ?? 0;
    return this.history(user, conversation).filter((m) => m.seq > read && m.counting && m.sender !== user).length;
  }

  conversationsOf(user: string): string[] {
    return Object.entries(this.conversations)
      .filter(([, conversation]) => conversation.head > 0 && conversation.read[user] !== undefined)
      .sort(([, a], [, b]) => b.lastPos - a.lastPos)
      .map(([id]) => id);
  }

  markRead(user: string, conversation: string, seq: number): string {
    this.readableAfter(user, conversation);
    const found = this.conversations[conversation];
    if (found === undefined || found.head === 0) return "0 0";
    const before = found.read[user] ?? 0;
    const marker = Math.max(before, seq === 0 ? found.head : Math.min(seq, found.head));
    found.read[user] = marker;
    const [kind, a = "", b = ""] = conversation.split(":");
    const readers = kind === "d" ? [a, b] : [user];
    if (marker > before)
      this.emit(
        readers.map((reader) => `u:${reader}`),
        readLine(conversation, user, marker),
      );
    return `${marker} ${this.unread(user, conversation)}`;
  }

  // Retention.

  /** Forgets what is too old: the oldest events, and of each conversation the oldest messages. */
  retain(): void {
    this.messages = this.messages.filter((m) => this.places[m.conversation]?.gone !== true);
    const eventHorizon = this.horizon(this.rules.eventsKeptMs);
    while (this.log[0] !== undefined && this.log[0].atMs < eventHorizon) this.floor = this.log.shift()?.pos ?? 0;
    for (const [id, conversation] of Object.entries(this.conversations)) {
      const [kind, a = "", b = ""] = id.split(":");
      const strangers = kind === "d" && a !== b && !this.areFriends(a, b);
      const horizon = this.horizon(strangers ? this.rules.strangerHistoryKeptMs : this.rules.historyKeptMs);
      const old = (m: Message) => m.conversation === id && m.atMs < horizon;
      conversation.floor = Math.max(conversation.floor, ...this.messages.filter(old).map((m) => m.seq));
      const forgotten = (m: Message) =>
        m.conversation === id && m.seq <= conversation.floor && m.atMs < this.nowMs - this.rules.dedupMs;
      this.messages = this.messages.filter((m) => !forgotten(m));
    }
  }

  private horizon(keptMs: number): number {
    return keptMs === 0 ? Number.NEGATIVE_INFINITY : this.nowMs - keptMs;
  }
}

const pair = (a: string, b: string): string => [a, b].sort().join(":");
export const split = (receiver: string): [kind: string, id: string] => {
  const at = receiver.indexOf(":");
  return [receiver.slice(0, at), receiver.slice(at + 1)];
};

/** The name of the place that a receiver is. */
const placeOf = (receiver: string): string => `${receiver.slice(0, 1)}:${split(receiver)[1]}`;

/** The conversation of a sender, or of the system, with a receiver. */
function conversationOf(sender: string, receiver: string): string {
  const [kind, id] = split(receiver);
  if (kind === "group") return `g:${id}`;
  return sender === "" ? `y:${id}` : `d:${pair(sender, id)}`;
}

const whatOf = ({ receiver, words, replyTo }: Send): string => `${receiver}|${words}|${replyTo}`;
