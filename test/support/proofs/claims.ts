/** One thing that must hold, whatever is done to the server. The tests that try to break it bear its id at the start of their name: `D1: …`. */
export interface Claim {
  id: string;
  /** The promises of the README that it stands for. */
  promises: string;
  /** What is done. */
  attack: string;
  /** What must hold then. */
  bound: string;
}

/** Every claim of docs/reliability.md, in its order. */
export const CLAIMS: readonly Claim[] = [
  claim("D1", "P1 P2 P3 P5", "kill -9 at random moments under load", "0 acked lost, 0 doubled, readers whole"),
  claim("D2", "P1 P3 P5", "kill -9 at each point of a commit", "as D1; every unknown outcome settled by a resend"),
  claim("D3", "P1", "power loss: only what was synced survives", "0 acked lost; NORMAL must lose some"),
  claim("D4", "P1", "syncs counted, before and after a restart", "one for each lone send; few for many at once"),
  claim(
    "D5",
    "P1 P14",
    "the disk is full",
    "writes refused by name, reads go on, 0 acked lost, heals without a restart",
  ),
  claim("D6", "P1", "the disk fails to sync", "exit 70, nothing of that batch acked"),
  claim("D7", "P1 P12", "a foreign process holds the database", "writes refused or late, nobody else stalls"),
  claim("D8", "P4 P8", "damaged, shortened and replaced files", "no stale cursor resumed, no needless resync"),
  claim("D9", "P1", "a second server on the same folder", "exit 73, the first unharmed"),
  claim("D10", "P1 P8", "backup under load, restore", "whole up to its head"),
  claim(
    "D11",
    "P1 P3 P5",
    "PostgreSQL crashes, and its processes are killed, under load",
    "0 acked lost, 0 doubled, readers whole, writes back within 3 s",
  ),
  claim("D12", "P1", "a PostgreSQL server that may lose what it was given", "no start, the setting named"),
  claim("S1", "P3", "the stream cut after every byte", "0 gaps, 0 repeats, same end state"),
  claim("S2", "P3 P6", "subscribing while others commit", "0 gaps, 0 repeats"),
  claim("S7", "P12", "half-open connections", "found by PING or by missing acknowledgements"),
  claim("S8", "P12", "stalled readers beside healthy ones", "bounded memory, healthy ones undisturbed, 0 lost"),
  claim("S9", "P12", "stalled readers leave", "nothing is left of them"),
  claim("S10", "P3 P12", "every stream cut at once, server restarted", "all back, 0 doubled"),
  claim("S11", "P4 P13", "cursors of every wrong kind", "resync or refusal, never data"),
  claim("S12", "P4", "retention under lagging readers", "complete or told"),
  claim("S13", "P5", "one id sent many times", "one message, equal answers"),
  claim("S14", "P2 P5", "requests repeated and reordered", "0 doubled, order kept"),
  claim("S15", "P2", "the clock leaps", "order kept, nothing deleted, nobody logged out"),
  claim("S16", "P9 P10 P11", "random pause, resume, logout, login", "presence and push as the model says"),
  claim(
    "S17",
    "P10",
    "logout while pushes are on their way, heard late, on a shared device",
    "0 pushes after the answer",
  ),
  claim(
    "S18",
    "P11",
    "a provider that fails, hangs and refuses; the server killed beside it",
    "0 lost, repeats under one id",
  ),
  claim("S19", "P11", "a user back around the hand-over", "0 pushes to who had acknowledged"),
  claim("S20", "P7", "removal racing with sends", "exact edges"),
  claim("S21", "P1", "graceful stop with many streams", "all told, out in time, 0 acked lost"),
  claim("M1", "P1–P9", "random commands against a reference model", "every answer and every store equal"),
  claim("M2", "P3", "events applied to the old state", "equal to the state fetched fresh, for every RPC"),
  claim("M3", "P3 P5", "the SDK's loop in every order of happenings", "no loss, no repeat, never stuck"),
  claim("M4", "P3 P8", "exhaustive search of pull/live, watermark, generations", "no bad state exists"),
  claim("M5", "all", "planted bugs", "each is caught"),
  claim("H1", "P12", "HTTP/2 rapid reset", "connection closed, no call executed, others served"),
  claim("H2", "P12", "CONTINUATION flood", "connection closed"),
  claim("H3", "P12", "floods of every kind of HTTP/2 frame, never reading", "closed or nearly free, memory flat"),
  claim("H4", "P12", "WINDOW_UPDATE overflow and other breaks of protocol", "no connection left"),
  claim("H5", "P12", "header bombs", "refused"),
  claim("H6", "P12", "slowloris of every kind", "closed in time, others served"),
  claim("H7", "P12", "too many streams and connections", "capped by connection, user, address and node; typed errors"),
  claim("H8", "P12", "compression bombs", "refused, memory flat"),
  claim("H9", "P12", "malformed bodies, mutated frames", "never internal, never a crash"),
  claim("H10", "P12", "depth bombs", "refused at once"),
  claim("H11", "P13", "Unicode of every bad kind", "refused or kept byte for byte"),
  claim("H12", "all", "edges of integers and times", "refused or clamped, never internal"),
  claim("H13", "P12", "oversized things", "TOO_LARGE, told apart from RATE_LIMITED"),
  claim("H14", "P13", "wrong methods, types, hosts, smuggling, cut requests", "refused, no call executed"),
  claim("H15", "P12", "absurd deadlines", "bounded or refused"),
  claim("H16", "P13", "foreign origins", "no CORS for them, no cookies"),
  claim("A1", "P13", "tenant matrix: every RPC × every id field", "foreign equals unknown, nothing changes"),
  claim("A2", "P7 P13", "privilege matrix: every RPC × role", "equal to the table"),
  claim("A4", "P13", "the attachment of a message that one cannot see", "as one that nobody knows"),
  claim("A5", "P10 P13", "stolen, late and forged tokens", "refused, streams closed"),
  claim("A6", "P13", "guessing passwords and codes at volume", "bounded, victims not locked out"),
  claim("A7", "P13", "asking what there is: accounts, numbers, users, messages, files", "equal answers in one time"),
  claim("A8", "P5 P13", "captured calls replayed", "once only"),
  claim("A9", "P13", "addresses inside, named by an app", "0 connections outside the rules"),
  claim("A10", "P13", "attachments that lead elsewhere, lie, run or explode", "refused, or served as what cannot run"),
  claim("A11", "P13", "60 hostile texts in every text of the page", "shown as they are, nothing runs"),
  claim("A12", "P13", "canary secrets through every RPC", "0 in logs, metrics, errors"),
  claim("A13", "P13", "SQL in every string field", "0 differences"),
  claim("A14", "P12", "searches made to be slow, among 100,000 users", "under 50 ms each"),
  claim("A15", "P13", "names that objects know, huge structs", "refused or plain data"),
  claim("A16", "P13", "timing of comparisons", "nothing to measure"),
  claim("A18", "P13", "what is served to browsers and published, searched for secrets", "none, no source maps"),
  claim("A19", "P12", "a legal user who does without end what is allowed", "bounded by name, others served"),
  claim("A20", "P12", "each statement of each call fails in turn", "typed error, alive, no half state"),
];

function claim(id: string, promises: string, attack: string, bound: string): Claim {
  return { id, promises, attack, bound };
}
